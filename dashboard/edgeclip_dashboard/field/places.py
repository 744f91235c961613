"""Deployments as people know them: what a form or a table says, checked, and into the database."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import is_identifier
from edgeclip.contract.validation import said
from edgeclip.errors import DashboardError
from edgeclip_dashboard import deeds
from edgeclip_dashboard.deployments import new_deployment
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_field import Deployment

TIME_FIELDS: Final = ("started_at", "ended_at")
_Line = Annotated[
    str, StringConstraints(max_length=100, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$")
]


class Place(BaseModel):
    """What a person knows of a deployment; coordinates are WGS 84 degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[_Line, StringConstraints(min_length=1)]
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    uncertainty_m: float | None = Field(None, ge=0, le=1e6)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    time_zone: str = "UTC"
    camera_model: _Line = ""
    setup_by: _Line = ""
    habitat: _Line = ""
    comments: Annotated[
        str, StringConstraints(max_length=5000, strip_whitespace=True, pattern=r"^[^\x00]*$")
    ] = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Place:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together: give both or none")
        if self.started_at and self.ended_at and self.ended_at < self.started_at:
            raise ValueError("ended_at is before started_at")
        return self


PLACE_FIELDS: Final = tuple(Place.model_fields)


def place_of(texts: Mapping[str, str]) -> Place:
    """Return what a form or a line of a table says.

    Args:
        texts: By field; what is empty is unknown. A time without a zone is in `time_zone`.

    Raises:
        DashboardError: A value is wrong; the message says which, and what it may be.
    """
    given = {name: text.strip() for name, text in texts.items() if text.strip()}
    zone = _zone(given.setdefault("time_zone", "UTC"))
    values: dict[str, object] = dict(given)
    for name in TIME_FIELDS:
        if name in given:
            values[name] = _time(name, given[name], zone)
    try:
        return Place.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DashboardError(f"{where}: {said(first)}" if where else said(first)) from error


def save_place(
    session: Session, deployment_id: str, place: Place, identity: Identity, at: datetime
) -> bool:
    """Write what a person knows of a deployment; say whether anything changed.

    Args:
        session: An open transaction.
        deployment_id: Of a known deployment, or of one that is to come.
        place: All of it: what is unknown in it becomes unknown.
        identity: Who writes.
        at: Now, aware UTC.

    Raises:
        DashboardError: It is no id.
    """
    if not is_identifier(deployment_id):
        raise DashboardError(f"{deployment_id[:40]!r} is no id: use a-z, 0-9 and -, at most 32")
    row = session.get(Deployment, deployment_id)
    if row is None:
        row = new_deployment(deployment_id, at)
        session.add(row)
    elif texts_of(row) == texts_of(place):
        return False
    for name in PLACE_FIELDS:
        setattr(row, name, getattr(place, name))
    row.updated_at = at
    deeds.note(session, identity, "place written", deployment_id, at)
    return True


def texts_of(row: Deployment | Place) -> dict[str, str]:
    """Return a deployment as the texts of a form; times in its own zone, to the minute."""
    zone = zoneinfo.ZoneInfo(row.time_zone)
    texts = {}
    for name in PLACE_FIELDS:
        value = getattr(row, name)
        if isinstance(value, datetime):
            texts[name] = f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
        elif isinstance(value, float):
            texts[name] = f"{value:.10g}"
        else:
            texts[name] = value or ""
    return texts


def read_places(session: Session) -> list[Deployment]:
    """Return all deployments by name."""
    return list(session.scalars(select(Deployment).order_by(Deployment.name)))


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DashboardError(
            f"time_zone: {name[:40]!r} is none: write one such as Africa/Nairobi"
        ) from error


def _time(name: str, text: str, zone: zoneinfo.ZoneInfo) -> datetime:
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(zoneinfo.ZoneInfo("UTC"))
    except (ValueError, OverflowError) as error:
        raise DashboardError(
            f"{name}: {text[:40]!r} is no time: write 2026-05-01 or 2026-05-01 06:30"
        ) from error
