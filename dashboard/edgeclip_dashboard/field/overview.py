"""All deployments with what stands there and how it does, for the map."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.field.places import read_places
from edgeclip_dashboard.field.reports import DeviceReport, read_reports
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.models import DetectionRow

Standing = Literal["alarm", "offline", "sleeping", "online", "empty"]
RECENT: Final = timedelta(days=7)


@dataclass(frozen=True)
class PlaceView:
    """A deployment on the map.

    Attributes:
        standing: Of its devices the one that most needs a look; empty where none is there.
        recent: How many detections it had in the last week, without tests, failures, and those
            that were taken back or judged wrong.
    """

    deployment_id: str
    name: str
    latitude: float | None
    longitude: float | None
    uncertainty_m: float | None
    started_at: datetime | None
    ended_at: datetime | None
    habitat: str
    devices: tuple[DeviceReport, ...]
    standing: Standing
    recent: int


def read_overview(session: Session, ledger: Ledger, now: datetime) -> tuple[PlaceView, ...]:
    """Return all deployments by name."""
    devices: dict[str, list[DeviceReport]] = defaultdict(list)
    for report in read_reports(session, ledger):
        devices[report.deployment_id or ""].append(report)
    counts = _recent(session, now)
    return tuple(
        PlaceView(
            deployment_id=row.deployment_id,
            name=row.name,
            latitude=row.latitude,
            longitude=row.longitude,
            uncertainty_m=row.uncertainty_m,
            started_at=row.started_at,
            ended_at=row.ended_at,
            habitat=row.habitat,
            devices=tuple(devices[row.deployment_id]),
            standing=_standing(devices[row.deployment_id]),
            recent=counts.get(row.deployment_id, 0),
        )
        for row in read_places(session)
    )


def _recent(session: Session, now: datetime) -> dict[str, int]:
    query = (
        select(DetectionRow.deployment_id, func.count())
        .where(DetectionRow.occurred_at >= now - RECENT, DetectionRow.phase != "retract")
        .where(DetectionRow.is_test.is_(False), DetectionRow.failure.is_(None))
        .where(DetectionRow.verdict.is_distinct_from("wrong"))
        .group_by(DetectionRow.deployment_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _standing(devices: list[DeviceReport]) -> Standing:
    states = {report.state for report in devices}
    if any(report.alarms for report in devices):
        return "alarm"
    if "offline" in states or "stopped" in states:
        return "offline"
    if "sleeping" in states:
        return "sleeping"
    return "online" if states else "empty"
