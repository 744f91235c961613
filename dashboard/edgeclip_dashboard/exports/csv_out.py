"""CSV: a row a visit, or a row a frame with a column for each class."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Final, TextIO

from edgeclip_dashboard import told_words
from edgeclip_dashboard.exports.sites import Sites
from edgeclip_dashboard.exports.visits import Picture, Visit

VISIT_COLUMNS: Final = (
    "visit_id", "deployment", "location", "device", "camera", "started_at", "best_at", "ended_at",
    "label", "scientific_name", "observation_type", "classified_by", "verdict", "device_label",
    "probability", "threshold", "frames", "agreeing", "phase", "severity", "failure", "light",
    "clock", "latitude", "longitude", "coordinate_uncertainty_m", "pack", "media", "caption",
    "attributes",
)  # fmt: skip
FRAME_COLUMNS: Final = (
    "filepath", "visit_id", "deployment", "location", "datetime", "width", "height", "label",
    "verdict", "threshold", "bbox_x", "bbox_y", "bbox_w", "bbox_h",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet begins a formula."""


def write_visits(out: TextIO, visits: Iterable[Visit], sites: Sites) -> int:
    """Write a row a visit; return how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(VISIT_COLUMNS)
    count = 0
    for visit in visits:
        writer.writerow(map(cell, _visit_row(visit, sites)))
        count += 1
    return count


def write_frames(out: TextIO, visits: Iterable[Visit], sites: Sites) -> int:
    """Write a row a picture, with a column for each class; return how many visits.

    Which classes there are is known at the end only, so the rows wait in a temporary file.
    """
    classes: dict[str, int] = {}
    count = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting:
        writer = csv.writer(waiting)
        for visit in visits:
            count += 1
            for row in _frame_rows(visit, sites, classes):
                writer.writerow(map(cell, row))
        waiting.seek(0)
        final = csv.writer(out, lineterminator="\n")
        width = len(FRAME_COLUMNS) + len(classes)
        final.writerow([*FRAME_COLUMNS, *(f"p({name})" for name in classes)])
        for cells in csv.reader(waiting):
            final.writerow([*cells, *[""] * (width - len(cells))])
    return count


def cell(value: object) -> str:
    """Return what stands in a cell; text that a spreadsheet would run begins with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1 else f"{value:.10g}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _visit_row(visit: Visit, sites: Sites) -> list[object]:
    row, judged = visit.row, visit.judged
    position = sites.position(row.deployment_id)
    where = (
        (position.latitude, position.longitude, position.uncertainty_m)
        if position
        else (None, None, None)
    )
    return [
        row.detection_id, row.deployment_id, sites.find(row.deployment_id).name, row.device_id,
        row.camera_id, visit.started_at, visit.best_at, visit.ended_at, judged.class_name,
        judged.scientific_name, judged.observation_type, judged.by, row.verdict, row.class_name,
        row.probability, row.threshold, row.votes_frames, row.votes_agreeing, row.phase,
        row.severity, row.failure, row.light, row.clock, *where, row.pack,
        "|".join(picture.name for picture in visit.pictures),
        told_words.caption(judged.class_name or "", visit.detection.attributes, row.verdict),
        told_words.answers(visit.detection.attributes),
    ]  # fmt: skip


def _frame_rows(visit: Visit, sites: Sites, classes: dict[str, int]) -> Iterator[list[object]]:
    """Yield a row a picture; a class that is met for the first time gets the next column.

    The probabilities are of the best frame, which is the newest picture.
    """
    for position, picture in enumerate(visit.pictures):
        told = dict(visit.detection.top) if position == 0 else {}
        for name in told:
            classes.setdefault(name, len(classes))
        yield [*_frame_facts(visit, picture, sites), *(told.get(name) for name in classes)]


def _frame_facts(visit: Visit, picture: Picture, sites: Sites) -> list[object]:
    row = visit.row
    return [
        picture.name, row.detection_id, row.deployment_id, sites.find(row.deployment_id).name,
        visit.best_at, picture.width, picture.height, visit.judged.class_name, row.verdict,
        row.threshold, *(picture.box or (None, None, None, None)),
    ]  # fmt: skip
