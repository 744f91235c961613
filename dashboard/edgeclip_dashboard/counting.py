"""How much is stored: counted anew as often as counting is cheap."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models import Announcement, DetectionRow, Device, Media, Meta
from edgeclip_dashboard.models_notices import Delivery, Notice
from edgeclip_dashboard.notices.states import DUE, FAILED

_CHEAP_S: Final = 0.05  # what takes less is counted at each look
_REST: Final = 20  # times as long as the last counting took: 5 % of the time at the most


@dataclass(frozen=True)
class Counts:
    """How much is stored."""

    detections: int
    media: int
    media_pending: int
    devices: int
    malformed: int
    notices_waiting: int = 0
    notices_failed: int = 0
    deliveries_waiting: int = 0


class Counter:
    """Keeps counts while counting anew would take too much of the time, as with many rows.

    Few rows are counted at each look.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: Counts | None = None
        self._due = 0.0

    def read(self, session: Session) -> Counts:
        """Return counts that are new, or older by at most twenty times what they take to count."""
        began = self._clock()
        if self._known is None or began >= self._due:
            self._known = read_counts(session)
            now = self._clock()
            took_s = now - began
            self._due = now if took_s < _CHEAP_S else now + _REST * took_s
        return self._known


def read_counts(session: Session) -> Counts:
    """Return how much is stored now."""

    def count(table: type[DetectionRow | Media | Device]) -> int:
        return session.scalar(select(func.count()).select_from(table)) or 0

    announced = select(Announcement.n).where(Announcement.sha256 == Media.sha256).exists()
    pending = session.scalar(select(func.count()).select_from(Media).where(~announced))
    return Counts(
        detections=count(DetectionRow),
        media=count(Media),
        media_pending=pending or 0,
        devices=count(Device),
        malformed=int(session.get_one(Meta, "malformed").value),
        notices_waiting=_in_state(session, Notice, *DUE),
        notices_failed=_in_state(session, Notice, FAILED),
        deliveries_waiting=_in_state(session, Delivery, "waiting"),
    )


def _in_state(session: Session, table: type[Notice | Delivery], *states: str) -> int:
    query = select(func.count()).select_from(table).where(table.state.in_(states))
    return session.scalar(query) or 0
