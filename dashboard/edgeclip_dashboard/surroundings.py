"""What stands around a detection: name and clock of its place, the battery of its device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.zones import noted_zone


@dataclass(frozen=True)
class Surroundings:
    """What is known beside the detections.

    Attributes:
        places: The name that a person gave a deployment, by its id; only those with one.
        batteries: The newest voltage of a device, in V, by its id; only those that measure it.
        zones: The time zone of a deployment, by its id; only where a person has noted one.
        elsewhere: The project's time zone.
    """

    places: dict[str, str] = field(default_factory=dict)
    batteries: dict[str, float] = field(default_factory=dict)
    zones: dict[str, tzinfo] = field(default_factory=dict)
    elsewhere: tzinfo | None = None

    def zone_at(self, deployment_id: str | None) -> tzinfo | None:
        """Return the clock of a place; None is UTC."""
        return self.zones.get(deployment_id or "", self.elsewhere)


def read_surroundings(
    session: Session, device_ids: Iterable[str], elsewhere: tzinfo | None = None
) -> Surroundings:
    """Return the names and time zones of all places, and the batteries of these devices.

    Args:
        session: Of the store.
        device_ids: Whose batteries.
        elsewhere: The time zone of places without one of their own; None is UTC.
    """
    places = session.execute(
        select(Deployment.deployment_id, Deployment.name, Deployment.time_zone)
    ).all()
    zones = {row.deployment_id: noted_zone(row.time_zone) for row in places}
    measured = select(Device.device_id, Device.battery_v).where(
        Device.device_id.in_(set(device_ids)), Device.battery_v.is_not(None)
    )
    return Surroundings(
        places={row.deployment_id: row.name for row in places if row.name},
        batteries={row.device_id: row.battery_v for row in session.execute(measured)},
        zones={place: zone for place, zone in zones.items() if zone is not None},
        elsewhere=elsewhere,
    )
