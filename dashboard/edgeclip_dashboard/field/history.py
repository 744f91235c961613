"""The health of a device over time, as series that can be plotted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_field import HealthSample

MOST_POINTS: Final = 700  # a plot is some 700 px wide
_MB_A_GB: Final = 1000.0


@dataclass(frozen=True)
class Quantity:
    """Something that is plotted: its column, its name, its unit, and how exact it is told."""

    column: str
    title: str
    unit: str
    digits: int
    factor: float = 1.0


QUANTITIES: Final = (
    Quantity("battery_v", "Battery", "V", 1),
    Quantity("power_w", "Power drawn", "W", 1),
    Quantity("temperature_c", "Temperature", "°C", 0),
    Quantity("free_mb", "Free disk", "GB", 1, 1 / _MB_A_GB),
    Quantity("outbox_rows", "Outbox", "rows", 0),
    Quantity("fps", "Frames", "fps", 1),
    Quantity("infer_p95_ms", "Classification, p95", "ms", 1),
    Quantity("feature_distance", "Drift of what is seen", "(1 - cosine)", 3),
)


@dataclass(frozen=True)
class Series:
    """One quantity over time, the oldest first; times are aware UTC."""

    quantity: Quantity
    points: tuple[tuple[datetime, float], ...]


def read_history(session: Session, device_id: str, since: datetime) -> tuple[Series, ...]:
    """Return the quantities of which anything is known, in the order of `QUANTITIES`.

    Args:
        session: Of the database.
        device_id: Whose.
        since: From when on. Of many samples some are left out, evenly; the newest never is.
    """
    columns = [getattr(HealthSample, quantity.column) for quantity in QUANTITIES]
    query = (
        select(HealthSample.at, *columns)
        .where(HealthSample.device_id == device_id, HealthSample.at >= since)
        .order_by(HealthSample.at.desc())
    )
    rows = session.execute(query).all()
    rows = list(reversed(rows[:: max(1, -(-len(rows) // MOST_POINTS))]))
    series = [
        Series(
            quantity,
            tuple(
                (row[0], float(row[place]) * quantity.factor)
                for row in rows
                if row[place] is not None
            ),
        )
        for place, quantity in enumerate(QUANTITIES, 1)
    ]
    return tuple(one for one in series if one.points)
