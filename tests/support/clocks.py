"""Clocks that stand where a test puts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from edgeclip.contract.detection import Clock
from edgeclip_device.clock_trust import BELIEVED_FROM

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)


class Stepping:
    """Seconds that go on by so much whenever they are read."""

    def __init__(self, by_s: float) -> None:
        self._now_s, self._by_s = 0.0, by_s

    def __call__(self) -> float:
        """Return the next reading."""
        self._now_s += self._by_s
        return self._now_s


@dataclass
class StandingClock:
    """A clock that goes only when it is told.

    Attributes:
        at: The wall time.
        boot_s: Seconds since boot.
        trusted: Whether the wall time can be believed.
    """

    at: datetime = NOON
    boot_s: float = 1000.0
    trusted: bool = True

    def now(self) -> datetime:
        """Return the wall time."""
        return self.at

    def boot_ns(self) -> int:
        """Return nanoseconds since boot."""
        return round(self.boot_s * 1e9)

    def trust(self) -> Clock:
        """Return what was set."""
        return Clock(trusted=self.trusted, source="ntp" if self.trusted else "none")

    @property
    def not_before(self) -> datetime:
        """Return what nobody has been before."""
        return BELIEVED_FROM

    def remember(self, anchor: datetime | None) -> None:
        """Take no notice: what is believed was set."""
