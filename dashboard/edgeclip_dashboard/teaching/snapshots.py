"""The snapshots that a class is taught from, and those that people judged to be something else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip.errors import DashboardError
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.models import DetectionRow, Revision
from edgeclip_dashboard.people_in_media import shows_people
from edgeclip_dashboard.queries import DetectionView, detection_views

MOST_IMAGES: Final = 5
MOST_OTHERS: Final = 60
_KINDS: Final = ("full", "crop", "thumb")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Snapshot:
    """One file, and where something moved in it, relative to the frame; None for all of it."""

    path: Path
    box: Box | None


def chosen_snapshots(
    session: Session, files: MediaFiles, detection_ids: Sequence[str]
) -> list[Snapshot]:
    """Return the best snapshot of each detection.

    Raises:
        DashboardError: There are none or too many, two have one picture, one has none here, or
            shows people: packs travel, and a few frames that taught them go with them.
    """
    ids = list(dict.fromkeys(detection_ids))
    if not 1 <= len(ids) <= MOST_IMAGES:
        raise DashboardError(f"choose 1 to {MOST_IMAGES} detections, not {len(ids)}")
    rows = [session.get(DetectionRow, detection_id) for detection_id in ids]
    if None in rows:
        raise DashboardError("a detection is not stored any more: choose again")
    found: list[Snapshot] = []
    for view in detection_views(session, [row for row in rows if row is not None]):
        snapshot = _snapshot(session, files, view)
        if snapshot is None:
            raise DashboardError(
                f"detection {view.detection_id} has no picture here, or one that shows people:"
                " leave it out"
            )
        if any(snapshot.path == own.path for own in found):
            raise DashboardError(
                "two of the chosen detections have the same picture: leave one of them out"
            )
        found.append(snapshot)
    return found


def is_for_teaching(session: Session, view: DetectionView) -> bool:
    """Say whether a detection has a picture that shows no people."""
    return bool(view.media) and not any(shows_people(session, own.sha256) for own in view.media)


def other_snapshots(
    session: Session, files: MediaFiles, name: str, leave: Collection[str]
) -> list[Snapshot]:
    """Return snapshots of the newest detections that people judged to be something else.

    Args:
        session: To read with.
        files: Snapshots on disk.
        name: What is taught.
        leave: Detections that are not among them, such as those that teach.
    """
    row = DetectionRow
    query = select(row).where(row.verdict.in_(("right", "other")), row.detection_id.not_in(leave))
    rows = session.scalars(query.order_by(row.occurred_at.desc()).limit(4 * MOST_OTHERS)).all()
    wanted = _plain(name)
    unlike = [r for r in rows if _plain(r.verdict_class or r.class_name or name) != wanted]
    found: dict[Path, Snapshot] = {}
    for view in detection_views(session, unlike):
        snapshot = _snapshot(session, files, view)
        if snapshot is not None and len(found) < MOST_OTHERS:
            found.setdefault(snapshot.path, snapshot)
    return list(found.values())


def _snapshot(session: Session, files: MediaFiles, view: DetectionView) -> Snapshot | None:
    for kind in _KINDS:
        for media in view.media:
            if media.kind != kind:
                continue
            if shows_people(session, media.sha256):
                return None
            path = files.find(media.sha256)
            if path is not None:
                return Snapshot(path, _box(session, view) if kind != "crop" else None)
    return None


def _box(session: Session, view: DetectionView) -> Box | None:
    """Return where most moved on the best frame, as the newest revision tells it."""
    revision = session.get(Revision, (view.detection_id, view.rev))
    if revision is None:
        return None
    try:
        gate = Detection.model_validate_json(revision.payload).gate
    except ValidationError:
        return None
    boxes = gate.boxes if gate else []
    return max(boxes, key=lambda box: box[2] * box[3], default=None)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
