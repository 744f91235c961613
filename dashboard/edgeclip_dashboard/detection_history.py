"""All that is known of one detection: revisions, media, verdicts, where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.models import Revision
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.queries import DetectionView
from edgeclip_dashboard.review import read_detection
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings
from edgeclip_dashboard.verdicts import GivenVerdict, read_verdicts


@dataclass(frozen=True)
class RevisionView:
    """One revision as it arrived; `detection` is None if this version cannot read it."""

    rev: int
    received_at: datetime
    detection: Detection | None


@dataclass(frozen=True)
class Position:
    """Where a detection was, in WGS 84 degrees, and who says so: the device or its deployment."""

    latitude: float
    longitude: float
    said_by: str


@dataclass(frozen=True)
class DetectionHistory:
    """A detection with its past, the newest first."""

    view: DetectionView
    revisions: tuple[RevisionView, ...]
    verdicts: tuple[GivenVerdict, ...]
    around: Surroundings
    position: Position | None
    others: tuple[tuple[float, float], ...]  # latitude, longitude of other deployments


def read_history(
    engine: Engine, detection_id: str, elsewhere: tzinfo | None = None
) -> DetectionHistory | None:
    """Return all that is known of a detection, or None if it is not stored.

    Args:
        engine: Of the store's database.
        detection_id: Which.
        elsewhere: The time zone of a place without one of its own; None is UTC.

    Raises:
        SQLAlchemyError: The database cannot be read.
    """
    with Session(engine) as session:
        view = read_detection(session, detection_id)
        if view is None:
            return None
        places = session.scalars(select(Deployment).where(Deployment.latitude.is_not(None))).all()
        return DetectionHistory(
            view=view,
            revisions=_revisions(session, detection_id),
            verdicts=read_verdicts(session, detection_id),
            around=read_surroundings(session, [view.device_id], elsewhere),
            position=_position(view, places),
            others=_others(view, places),
        )


def _revisions(session: Session, detection_id: str) -> tuple[RevisionView, ...]:
    query = select(Revision).where(Revision.detection_id == detection_id)
    rows = session.scalars(query.order_by(Revision.rev.desc()))
    return tuple(RevisionView(row.rev, row.received_at, _read(row.payload)) for row in rows)


def _read(payload: str) -> Detection | None:
    try:
        return Detection.model_validate_json(payload)
    except ValidationError:
        return None


def _position(view: DetectionView, places: Sequence[Deployment]) -> Position | None:
    if view.latitude is not None and view.longitude is not None:
        return Position(view.latitude, view.longitude, "as the device tells it")
    for place in places:
        if place.deployment_id == view.deployment_id and place.longitude is not None:
            return Position(place.latitude or 0.0, place.longitude, "as its deployment is noted")
    return None


def _others(view: DetectionView, places: Sequence[Deployment]) -> tuple[tuple[float, float], ...]:
    return tuple(
        (place.latitude, place.longitude)
        for place in places
        if place.deployment_id != view.deployment_id
        and place.latitude is not None
        and place.longitude is not None
    )
