"""Health by age: all samples of the newest days, then one an hour, then none; old log entries go.

A device that reports every minute would else fill the disk: 500,000 samples a year.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edgeclip_dashboard.models import Meta
from edgeclip_dashboard.models_field import HealthSample, LogEntry

log = logging.getLogger(__name__)

KEEP_ALL: Final = timedelta(days=7)
KEEP_HOURLY: Final = timedelta(days=400)  # a year and a bit, to compare a season with the last
_EVERY_S: Final = 3600.0
_STEP: Final = timedelta(days=1)  # one transaction each, so that receiving never waits for long
_AT_ONCE: Final = 500
_DONE_UNTIL: Final = "health_thinned_until"  # key in the table of facts


class Thinning:
    """Thins health and log entries once an hour, in a thread of its own.

    Args:
        engine: Of the database.
        now: The wall clock, aware UTC.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        self._engine = engine
        self._now = now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thinning", daemon=True)

    def start(self) -> None:
        """Begin; the first time at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not thinned yet is at the next start."""
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.thin()
            except SQLAlchemyError as error:
                log.warning("old health could not be thinned, again in an hour: %s", error)
            except Exception:  # the thread's one supervised boundary
                log.exception("thinning failed; again in an hour")
            self._stopping.wait(_EVERY_S)

    def thin(self) -> None:
        """Thin what has become old since the last time.

        Raises:
            SQLAlchemyError: The database cannot be written.
        """
        now = self._now()
        with Session(self._engine) as session, session.begin():
            oldest = now - KEEP_HOURLY
            session.execute(delete(HealthSample).where(HealthSample.at < oldest))
            session.execute(delete(LogEntry).where(LogEntry.received_at < oldest))
            begin = self._begin(session)
        while begin is not None and begin < now - KEEP_ALL and not self._stopping.is_set():
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
