"""Health by age: all samples of the newest days, then one an hour, then none; old log entries go.

A device that reports every minute would else fill the disk: 500,000 samples a year.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models import Meta
from edgeclip_dashboard.models_field import HealthSample, LogEntry

KEEP_ALL: Final = timedelta(days=7)
KEEP_HOURLY: Final = timedelta(days=400)  # a year and a bit, to compare a season with the last
EVERY_S: Final = 3600.0
_STEP: Final = timedelta(days=1)  # one transaction each, so that receiving never waits for long
_AT_ONCE: Final = 500
_DONE_UNTIL: Final = "health_thinned_until"  # key in the table of facts


class Thinning:
    """Thins health and log entries; to be done every `EVERY_S`.

    Args:
        engine: Of the database.
        now: The wall clock, aware UTC.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        self._engine = engine
        self._now = now

    def thin(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Thin what has become old since the last time.

        Args:
            goes_on: Asked between two days; what is left is thinned the next time.

        Raises:
            SQLAlchemyError: The database cannot be written.
        """
        now = self._now()
        with Session(self._engine) as session, session.begin():
            oldest = now - KEEP_HOURLY
            session.execute(delete(HealthSample).where(HealthSample.at < oldest))
            session.execute(delete(LogEntry).where(LogEntry.received_at < oldest))
            begin = self._begin(session)
        while begin is not None and begin < now - KEEP_ALL and goes_on():
            end = min(begin + _STEP, now - KEEP_ALL)
            with Session(self._engine) as session, session.begin():
                _thin(session, begin, end)
                session.merge(Meta(key=_DONE_UNTIL, value=end.isoformat()))
            begin = end

    def _begin(self, session: Session) -> datetime | None:
        done = session.get(Meta, _DONE_UNTIL)
        if done is not None:
            return datetime.fromisoformat(done.value)
        return session.scalar(select(func.min(HealthSample.at)))


def _thin(session: Session, begin: datetime, end: datetime) -> None:
    """Keep the first sample of each hour and device, from `begin` on and before `end`."""
    begin = begin.replace(minute=0, second=0, microsecond=0)
    columns = (HealthSample.id, HealthSample.device_id, HealthSample.at)
    query = select(*columns).where(HealthSample.at >= begin, HealthSample.at < end)
    seen: set[tuple[str, datetime]] = set()
    surplus = []
    for number, device_id, at in session.execute(query.order_by(HealthSample.at, HealthSample.id)):
        hour = (device_id, at.replace(minute=0, second=0, microsecond=0))
        if hour in seen:
            surplus.append(number)
        seen.add(hour)
    for first in range(0, len(surplus), _AT_ONCE):
        ids = surplus[first : first + _AT_ONCE]
        session.execute(delete(HealthSample).where(HealthSample.id.in_(ids)))
