"""What a person had before their eyes who judged a detection: not what its device sent since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.exports.visits import Visit, pictures_of
from edgeclip_dashboard.models import Announcement, Media, Revision


def as_seen(session: Session, visits: Sequence[Visit]) -> Iterator[Visit]:
    """Yield visits with the pictures, and the box, of the revision that was judged.

    Those of later revisions may show something else: a label must not be put beside them.

    Args:
        session: To read with.
        visits: In any order, which is kept.
    """
    judged = {
        visit.row.detection_id: visit.verdict.rev
        for visit in visits
        if visit.verdict is not None and visit.verdict.rev != visit.row.rev
    }
    then = _then(session, judged)
    for visit in visits:
        detection = then.get(visit.row.detection_id)
        if detection is None:
            yield visit
        else:
            known = _stored(session, detection)
            yield replace(visit, pictures=tuple(pictures_of(visit.row, detection, known)))


def _then(session: Session, judged: dict[str, int]) -> dict[str, Detection]:
    wanted = tuple_(Revision.detection_id, Revision.rev).in_(judged.items())
    payloads = session.scalars(select(Revision.payload).where(wanted)) if judged else ()
    detections = map(Detection.model_validate_json, payloads)
    return {detection.detection_id: detection for detection in detections}


def _stored(session: Session, detection: Detection) -> list[Announcement]:
    """Return what is stored of the media that a revision named."""
    row = Announcement
    query = (
        select(row)
        .join(Media, Media.sha256 == row.sha256)
        .where(row.detection_id == detection.detection_id)
        .where(row.sha256.in_([ref.sha256 for ref in detection.media]))
    )
    return list(session.scalars(query))
