"""Verdicts back to the trainer: a table of images with labels, hard examples first."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import ColumnElement, Engine, Select, case, func, select
from sqlalchemy.orm import Session

from edgeclip.contract.files import new_folder, reason_of, remedy_for
from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard.exports.csv_out import cell
from edgeclip_dashboard.exports.judging import Classes
from edgeclip_dashboard.exports.request import Written
from edgeclip_dashboard.exports.seen import as_seen
from edgeclip_dashboard.exports.tally import Tally
from edgeclip_dashboard.exports.visits import BATCH, Picture, Visit, visits_of
from edgeclip_dashboard.exports.writing import Source
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow

Why = Literal["corrected", "confirmed", "uncertain"]
COLUMNS: Final = (
    "filepath", "label", "location", "camera", "timestamp", "seq_id", "bbox_x", "bbox_y",
    "bbox_w", "bbox_h", "why", "device_label", "probability", "threshold",
)  # fmt: skip
UNKNOWN: Final = "unknown"
"""A label that the trainer leaves out: of what nobody has judged yet."""

_TABLE: Final = ".table.csv"
_SURE_BY: Final = 0.15
"""Farther than this from its threshold, a detection that nobody has judged is not asked about."""


@dataclass(frozen=True)
class LabelsRequest:
    """What the trainer is to get.

    Attributes:
        asked: Which detections.
        uncertain: At most so many that nobody has judged, labelled `unknown`, nearest to their
            thresholds: for a person to label, since the trainer leaves them out.
        with_people: Whether pictures with people are taken along.
    """

    asked: DetectionFilter
    uncertain: int = 0
    with_people: bool = False


def write_labels(
    source: Source, request: LabelsRequest, out: Path, *, overwrite: bool = False
) -> Written:
    """Write a table and, in a folder of its name beside it, the images.

    The folder comes first and the table last, so that a table never names what is not there.

    Args:
        source: The store.
        request: What is wanted.
        out: The table, `OUT.csv`; its images go into `OUT/`.
        overwrite: Whether both may be replaced.

    Raises:
        ConfigError: The name does not end in `.csv`, or something is there.
        DashboardError: It cannot be written, or there is nothing to write.
    """
    if out.suffix != ".csv":
        raise ConfigError(f"{out}: labels are a table: name it {out.with_suffix('.csv').name}")
    if out.exists() and not overwrite:
        raise ConfigError(f"{out} is there: choose another name, or add --overwrite")
    images = out.with_suffix("")
    writer = _Writer(source, request, images.name)
    try:
        with new_folder(images, overwrite=overwrite) as folder:
            writer.write(folder)
        (images / _TABLE).replace(out)
    except OSError as error:
        raise DashboardError(
            f"{out}: cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    tally = writer.tally
    return Written(tally.detections, tally.pictures, tuple(tally.notes()))


class _Writer:
    def __init__(self, source: Source, request: LabelsRequest, name: str) -> None:
        self._source, self._request, self._name = source, request, name
        self.tally = Tally()

    def write(self, folder: Path) -> None:
        """Fill a folder with the images, and with the table that names them."""
        with (folder / _TABLE).open("w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            for visit in _hard_first(self._source, self._request):
                row = self._take(visit, folder)
                if row is not None:
                    writer.writerow(map(cell, row))
        if not self.tally.detections:
            told = " ".join(self.tally.notes())
            raise DashboardError(f"no verdict has a picture ({told}): review detections first")

    def _take(self, visit: Visit, folder: Path) -> list[object] | None:
        """Copy the best picture of a visit and return its row; None where there is none."""
        label = UNKNOWN if visit.verdict is None else visit.judged.class_name
        if label is None or not visit.pictures:
            return None
        if visit.shows_people and not self._request.with_people:
            self.tally.private += 1
            return None
        picture = visit.pictures[0]
        path = self._source.files.find(picture.sha256)
        if path is None:
            self.tally.gone += 1
            return None
        target = folder / picture.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
        self.tally.pictures += 1
        self.tally.detections += 1
        return _row(visit, picture, f"{self._name}/{picture.name}", label)


def _row(visit: Visit, picture: Picture, path: str, label: str) -> list[object]:
    row = visit.row
    return [
        path, label, row.deployment_id, row.camera_id, visit.best_at, row.detection_id,
        *(picture.box or (None, None, None, None)), _why(visit), row.class_name, row.probability,
        row.threshold,
    ]  # fmt: skip


def _why(visit: Visit) -> Why:
    if visit.verdict is None:
        return "uncertain"
    return "confirmed" if visit.verdict.verdict == "right" else "corrected"


def _hard_first(source: Source, request: LabelsRequest) -> Iterator[Visit]:
    """Yield what was corrected, then what was confirmed, then what nobody has judged.

    Of mistakes the surest come first, of the others those nearest to their thresholds.
    """
    row = DetectionRow
    with Session(source.engine) as session:
        judged = _ids(request).where(row.verdict.is_not(None))
        is_right = case((row.verdict == "right", 1), else_=0)
        surest_first = case((row.verdict == "right", _doubt()), else_=-_doubt())
        ids = session.scalars(judged.order_by(is_right, surest_first, row.detection_id)).all()
        if request.uncertain:
            unsure = _ids(request).where(row.verdict.is_(None), _doubt() <= _SURE_BY)
            nearest = unsure.order_by(_doubt(), row.detection_id).limit(request.uncertain)
            ids = [*ids, *session.scalars(nearest)]
    classes = Classes(source.settings.scientific_names)
    for start in range(0, len(ids), BATCH):
        yield from _visits(source.engine, ids[start : start + BATCH], classes)


def _visits(engine: Engine, ids: Sequence[str], classes: Classes) -> Iterator[Visit]:
    with Session(engine) as session:
        found = session.scalars(select(DetectionRow).where(DetectionRow.detection_id.in_(ids)))
        rows = {row.detection_id: row for row in found}
        visits = visits_of(session, [rows[one] for one in ids if one in rows], classes)
        visits = list(as_seen(session, visits))
    yield from (visit for visit in visits if visit.is_observation)


def _ids(request: LabelsRequest) -> Select[str]:
    return select(DetectionRow.detection_id).where(*request.asked.conditions())


def _doubt() -> ColumnElement[float]:
    """How far a probability is from its threshold; small is hard."""
    row = DetectionRow
    return func.abs(func.coalesce(row.probability, 0.5) - func.coalesce(row.threshold, 0.5))
