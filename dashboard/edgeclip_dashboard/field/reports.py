"""What the pages show of devices: the newest of all that each has told of itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.health import Health
from edgeclip.contract.reports import Info
from edgeclip_dashboard.ledger import Gap, Ledger
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import Deployment, DeviceAlarm, LogEntry
from edgeclip_dashboard.zones import noted_zone

_MOST_ENDED: Final = 30
_MOST_ENTRIES: Final = 200
_MessageT = TypeVar("_MessageT", bound=BaseModel)


@dataclass(frozen=True)
class AlarmView:
    """An alarm; times are aware UTC.

    Attributes:
        since: By the device's clock; None where it was not believed.
        received_at: By ours.
        over_at: None while it stands.
    """

    code: str
    since: datetime | None
    detail: str
    received_at: datetime
    over_at: datetime | None

    @property
    def began_at(self) -> datetime:
        """When it was raised, as far as that is known."""
        return self.since or self.received_at


@dataclass(frozen=True)
class EntryView:
    """An entry of a device's log book."""

    number: int
    at: datetime | None
    kind: str
    text: str


@dataclass(frozen=True)
class DeviceReport:
    """A device as it last described itself.

    Attributes:
        zone: The time zone of its place, or of the project; None is UTC.
        alarms: Those that stand, the newest first.
        gaps: Rows of its outbox that are missing here.
    """

    device_id: str
    state: str | None
    since: datetime | None
    reason: str | None
    next_wake_at: datetime | None
    is_armed: bool | None
    deployment_id: str | None
    place: str | None
    zone: tzinfo | None
    camera_id: str | None
    last_detection_at: datetime | None
    info: Info | None
    health: Health | None
    health_at: datetime | None
    alarms: tuple[AlarmView, ...]
    gaps: tuple[Gap, ...]

    @property
    def needs_a_look(self) -> bool:
        """Whether a person should see to it."""
        return bool(self.alarms) or self.state == "offline"


@dataclass(frozen=True)
class Past:
    """What was: alarms that are over, and the log book, the newest first."""

    ended: tuple[AlarmView, ...]
    entries: tuple[EntryView, ...]


def read_reports(session: Session, ledger: Ledger) -> tuple[DeviceReport, ...]:
    """Return all devices; those that need a look first, then by name."""
    rows = session.scalars(select(Device).order_by(Device.device_id)).all()
    reports = _reports(session, ledger, rows)
    return tuple(sorted(reports, key=lambda report: not report.needs_a_look))


def read_report(
    session: Session, ledger: Ledger, device_id: str, elsewhere: tzinfo | None = None
) -> DeviceReport | None:
    """Return a device, or None where none of that name has ever spoken.

    Args:
        session: Of the store.
        ledger: Knows the gaps.
        device_id: Which.
        elsewhere: The time zone of a place without one of its own; None is UTC.
    """
    row = session.get(Device, device_id)
    return None if row is None else _reports(session, ledger, [row], elsewhere)[0]


def read_past(session: Session, device_id: str) -> Past:
    """Return what was of a device."""
    ended = session.scalars(
        select(DeviceAlarm)
        .where(DeviceAlarm.device_id == device_id, DeviceAlarm.over_at.is_not(None))
        .order_by(DeviceAlarm.over_at.desc(), DeviceAlarm.id.desc())
        .limit(_MOST_ENDED)
    )
    entries = session.scalars(
        select(LogEntry)
        .where(LogEntry.device_id == device_id)
        .order_by(LogEntry.received_at.desc(), LogEntry.number.desc())
        .limit(_MOST_ENTRIES)
    )
    return Past(
        tuple(_alarm(row) for row in ended),
        tuple(EntryView(row.number, row.at, row.kind, row.text) for row in entries),
    )


def _reports(
    session: Session, ledger: Ledger, rows: Iterable[Device], elsewhere: tzinfo | None = None
) -> list[DeviceReport]:
    rows = list(rows)
    alarms, gaps = _standing(session, rows), _gaps(ledger)
    query = select(Deployment.deployment_id, Deployment.name, Deployment.time_zone)
    found = session.execute(query).all()
    places = {row.deployment_id: row.name for row in found}
    zones = {row.deployment_id: noted_zone(row.time_zone, elsewhere) for row in found}
    return [
        DeviceReport(
            device_id=row.device_id,
            state=row.state,
            since=row.since,
            reason=row.reason,
            next_wake_at=row.next_wake_at,
            is_armed=row.is_armed,
            deployment_id=row.deployment_id,
            place=places.get(row.deployment_id or ""),
            zone=zones.get(row.deployment_id or "", elsewhere),
            camera_id=row.camera_id,
            last_detection_at=row.last_detection_at,
            info=_read(Info, row.info),
            health=_read(Health, row.health),
            health_at=row.health_at,
            alarms=tuple(alarms[row.device_id]),
            gaps=tuple(gaps[row.device_id]),
        )
        for row in rows
    ]


def _standing(session: Session, rows: list[Device]) -> dict[str, list[AlarmView]]:
    query = select(DeviceAlarm).where(DeviceAlarm.over_at.is_(None)).order_by(DeviceAlarm.id.desc())
    if len(rows) == 1:
        query = query.where(DeviceAlarm.device_id == rows[0].device_id)
    found: dict[str, list[AlarmView]] = defaultdict(list)
    for row in session.scalars(query):
        found[row.device_id].append(_alarm(row))
    return found


def _gaps(ledger: Ledger) -> dict[str, list[Gap]]:
    found: dict[str, list[Gap]] = defaultdict(list)
    for gap in ledger.gaps():
        found[gap.device_id].append(gap)
    return found


def _alarm(row: DeviceAlarm) -> AlarmView:
    return AlarmView(row.code, row.since, row.detail, row.received_at, row.over_at)


def _read(model: type[_MessageT], text: str | None) -> _MessageT | None:
    """Return what was valid when it came; None for nothing, or for what an update made invalid."""
    try:
        return None if text is None else model.model_validate_json(text)
    except ValidationError:
        return None
