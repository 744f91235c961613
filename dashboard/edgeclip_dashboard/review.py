"""Which detections a person is asked about first: the doubtful, then alerts, then the rest."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.queries import DetectionView, detection_views

NEAR: Final = 0.1
"""How far from its threshold a probability may be and still be doubtful."""


def hardest_first() -> list[ColumnElement[Any]]:
    """Return the order of review, for `order_by`.

    First what lies within `NEAR` of the threshold that decided, the nearest first; then alerts,
    then the rest, both the newest first.
    """
    row = DetectionRow
    distance = func.abs(row.probability - row.threshold)
    rank = case((distance <= NEAR, 0), (row.severity == "alert", 1), else_=2)
    within = case((distance <= NEAR, distance), else_=0.0)
    return [rank, within, row.occurred_at.desc(), row.detection_id.desc()]


def to_review(shown: DetectionFilter) -> list[ColumnElement[bool]]:
    """Return what makes a detection one to be reviewed: a filter, no failure, not taken back."""
    row = DetectionRow
    return [*shown.conditions(), row.failure.is_(None), row.phase != "retract"]


def read_review_ids(session: Session, shown: DetectionFilter, most: int) -> tuple[str, ...]:
    """Return the ids of the detections to be reviewed, the hardest first."""
    query = select(DetectionRow.detection_id).where(*to_review(shown))
    return tuple(session.scalars(query.order_by(*hardest_first()).limit(most)))


def count_to_review(session: Session, shown: DetectionFilter) -> int:
    """Return how many detections there are to be reviewed."""
    query = select(func.count()).select_from(DetectionRow).where(*to_review(shown))
    return session.scalar(query) or 0


def read_detection(session: Session, detection_id: str) -> DetectionView | None:
    """Return one detection with its media, or None if it is not stored."""
    row = session.get(DetectionRow, detection_id)
    return None if row is None else detection_views(session, [row])[0]
