"""Stored detections with all that is handed on of them, in batches: memory stays flat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Engine, func, or_, select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection, RelativeBox
from edgeclip_dashboard.exports.judging import Classes, Judged, judge, shift_of, shows_people
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import Announcement, DetectionRow, Media, Revision
from edgeclip_dashboard.models_people import Verdict
from edgeclip_dashboard.people_in_media import told_of_people

BATCH: Final = 500


@dataclass(frozen=True)
class Picture:
    """A stored snapshot of a visit.

    Attributes:
        sha256: Of its bytes.
        kind: full, crop or thumb.
        width: In pixels.
        height: In pixels.
        name: Its path among what is written, without a folder above: `ridge/2026..-ab12.jpg`.
        box: x, y, width and height of what moved, else of where the class is by its heat, relative,
            from the top left; None where unknown, or where the box is that of another frame.
    """

    sha256: str
    kind: str
    width: int
    height: int
    name: str
    box: RelativeBox | None


@dataclass(frozen=True)
class Visit:
    """A detection as it is handed on; times are aware UTC, with a wrong clock put right.

    Attributes:
        row: As stored.
        detection: Its newest revision.
        judged: What counts.
        verdict: The newest one of a person.
        pictures: Whole frames, the newest first; where there is none, the best crop alone.
        started_at: Not after `best_at`.
        best_at: When it was seen best.
        ended_at: Not before `best_at`.
        shows_people: Whether its pictures are private.
    """

    row: DetectionRow
    detection: Detection
    judged: Judged
    verdict: Verdict | None
    pictures: tuple[Picture, ...]
    started_at: datetime
    best_at: datetime
    ended_at: datetime
    shows_people: bool

    @property
    def is_observation(self) -> bool:
        """Whether it says what was seen: no failure, nor taken back without a person's word."""
        is_taken_back = self.row.phase == "retract" and self.verdict is None
        return self.row.failure is None and not is_taken_back


def observed() -> ColumnElement[bool]:
    """Return the condition of what `Visit.is_observation` says, for queries."""
    row = DetectionRow
    return row.failure.is_(None) & or_(row.phase != "retract", row.verdict.is_not(None))


def read_visits(engine: Engine, asked: DetectionFilter, classes: Classes) -> Iterator[Visit]:
    """Yield all detections that a filter lets through, by id, which is nearly by time.

    Args:
        engine: Of the store; each batch is read in a session of its own.
        asked: Which ones.
        classes: Learns the classes that are met.
    """
    row = DetectionRow
    query = select(row).where(*asked.conditions()).order_by(row.detection_id).limit(BATCH)
    last = ""
    while True:
        with Session(engine) as session:
            rows = session.scalars(query.where(row.detection_id > last)).all()
            visits = visits_of(session, rows, classes)
        yield from visits
        if len(rows) < BATCH:
            return
        last = rows[-1].detection_id


def visits_of(session: Session, rows: Sequence[DetectionRow], classes: Classes) -> list[Visit]:
    """Return detections with all that is handed on of them, in the order of the rows."""
    ids = [row.detection_id for row in rows]
    payloads = _payloads(session, ids)
    verdicts, pictures = _verdicts(session, ids), _announced(session, ids)
    classes.learn(session, {name for row in rows for name in _names(row)})
    private = told_of_people(session, ids)
    return [
        _visit(
            row,
            Detection.model_validate_json(payloads[row.detection_id]),
            verdicts.get(row.detection_id),
            pictures[row.detection_id],
            (classes, row.detection_id in private),
        )
        for row in rows
    ]


def _visit(
    row: DetectionRow,
    detection: Detection,
    verdict: Verdict | None,
    announced: list[Announcement],
    known: tuple[Classes, bool],
) -> Visit:
    classes, has_shown_people = known
    shift, best = shift_of(row), row.occurred_at
    started, ended = _put_right(row.started_at, shift, best), _put_right(row.ended_at, shift, best)
    return Visit(
        row=row,
        detection=detection,
        judged=judge(row, verdict, classes),
        verdict=verdict,
        pictures=tuple(pictures_of(row, detection, announced)),
        started_at=min(started, best),
        best_at=best,
        ended_at=max(ended, best),
        shows_people=has_shown_people or shows_people(row, classes),
    )


def _put_right(when: datetime | None, shift: timedelta, best: datetime) -> datetime:
    """Return a time of a device with its clock put right; the best one's where there is none."""
    try:
        return best if when is None else when + shift
    except OverflowError:  # times that lie further apart than calendars go
        return best


def pictures_of(
    row: DetectionRow, detection: Detection, announced: list[Announcement]
) -> Iterator[Picture]:
    """Yield whole frames, the newest first; where there is none, the best crop alone.

    Args:
        row: Whose time and place name the files.
        detection: The revision whose box is that of its newest frame.
        announced: Media that are stored.
    """
    newest_first = sorted(announced, key=lambda item: (-item.rev, -item.n))
    frames = [item for item in newest_first if item.kind == "full"]
    boxes = [*(detection.gate.boxes if detection.gate else ()), detection.box]
    for position, item in enumerate(frames or newest_first[:1]):
        is_of_the_box = position == 0 and item.kind == "full"
        yield Picture(
            sha256=item.sha256,
            kind=item.kind,
            width=item.width,
            height=item.height,
            name=_file_name(row, item.sha256),
            box=boxes[0] if is_of_the_box else None,
        )


def _file_name(row: DetectionRow, sha256: str) -> str:
    """Return a name that sorts by time, says where, and is that of one detection's picture."""
    return (
        f"{row.deployment_id}/{row.occurred_at:%Y%m%dT%H%M%SZ}-{row.detection_id}-{sha256[:8]}.jpg"
    )


def _names(row: DetectionRow) -> list[str]:
    return [name for name in (row.class_name, row.verdict_class) if name]


def _payloads(session: Session, ids: list[str]) -> dict[str, str]:
    query = (
        select(Revision.detection_id, Revision.payload)
        .join(DetectionRow, DetectionRow.detection_id == Revision.detection_id)
        .where(Revision.rev == DetectionRow.rev, Revision.detection_id.in_(ids))
    )
    return {row.detection_id: row.payload for row in session.execute(query)}


def _verdicts(session: Session, ids: list[str]) -> dict[str, Verdict]:
    newest = (
        select(func.max(Verdict.id))
        .where(Verdict.detection_id.in_(ids))
        .group_by(Verdict.detection_id)
    )
    query = select(Verdict).where(Verdict.id.in_(newest))
    return {verdict.detection_id: verdict for verdict in session.scalars(query)}


def _announced(session: Session, ids: list[str]) -> dict[str, list[Announcement]]:
    """Return what is stored of the media of detections: of each number the newest."""
    query = (
        select(Announcement)
        .join(Media, Media.sha256 == Announcement.sha256)
        .where(Announcement.detection_id.in_(ids))
        .order_by(Announcement.rev)
    )
    newest: dict[str, dict[int, Announcement]] = defaultdict(dict)
    for item in session.scalars(query):
        newest[item.detection_id][item.n] = item
    return defaultdict(list, {key: list(items.values()) for key, items in newest.items()})
