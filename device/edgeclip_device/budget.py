"""The bytes of a day: what a metered link may still send, with a reserve for alerts.

A day is 24 h on the boot-time clock from the first byte on. Over a reboot the wall clock tells
how long it was, where it is believed; else the day goes on as if no time had passed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edgeclip_device.clock import WallClock, believed
from edgeclip_device.publisher import Publisher
from edgeclip_device.refusals import Refusals
from edgeclip_device.uplink_settings import UplinkSettings

BUDGET = "budget"  # key in `meta`
OVERHEAD_BYTES = 80  # of a message: MQTT, TLS and TCP headers, and its acknowledgement
CONNECTION_BYTES = 6_000  # TCP and TLS handshakes, CONNECT, the subscriptions
_DAY_NS = 86_400 * 10**9
_SAVE_EVERY_NS = 10 * 10**9


class Notes(Protocol):
    """Where the count is kept over a restart."""

    def note(self, key: str, value: str) -> None:
        """Keep a value."""

    def noted(self, key: str) -> str | None:
        """Return a kept value."""


class _Day(BaseModel):
    model_config = ConfigDict(frozen=True)

    boot_id: str
    began_ns: int
    began_at: AwareDatetime | None
    sent_bytes: int


class Budget:
    """Counts what leaves, and says what may.

    Args:
        settings: `daily_mb` and the reserve.
        notes: Keeps the count.
        clock: The machine's clocks.
        boot_id: Of this boot.
    """

    def __init__(
        self, settings: UplinkSettings, notes: Notes, clock: WallClock, boot_id: str
    ) -> None:
        self._limit = None if settings.daily_mb is None else settings.daily_mb * 1e6
        self._for_all = (self._limit or 0) * (1 - settings.alert_reserve_pct / 100)
        self._notes = notes
        self._clock = clock
        self._boot_id = boot_id
        self._day = self._kept() or self._new_day()
        self._saved_ns = clock.boot_ns()
        self.holds_back = False
        """Whether something did not go for want of bytes in this day."""

    @property
    def sent_bytes(self) -> int:
        """What was sent in this day."""
        self._turn_over()
        return self._day.sent_bytes

    def admit(self, size: int, *, is_alert: bool) -> bool:
        """Say whether a message may go, and count it if so.

        Args:
            size: Of topic and payload.
            is_alert: Alerts have the reserve too.
        """
        self._turn_over()
        after = self._day.sent_bytes + size + OVERHEAD_BYTES
        if self._limit is not None and after > (self._limit if is_alert else self._for_all):
            self.holds_back = True
            return False
        self.spend(size)
        return True

    def spend(self, size: int, overhead: int = OVERHEAD_BYTES) -> None:
        """Count what goes in any case: status, alarms, replies, connections."""
        self._turn_over()
        sent = self._day.sent_bytes + size + overhead
        self._day = self._day.model_copy(update={"sent_bytes": sent})
        if self._clock.boot_ns() - self._saved_ns >= _SAVE_EVERY_NS:
            self.save()

    def save(self) -> None:
        """Keep the count over a restart."""
        self._saved_ns = self._clock.boot_ns()
        self._notes.note(BUDGET, self._day.model_dump_json())

    def _turn_over(self) -> None:
        if self._clock.boot_ns() - self._day.began_ns >= _DAY_NS:
            self._day = self._new_day()
            self.holds_back = False

    def _new_day(self) -> _Day:
        began_at = believed(self._clock.now(), self._clock.not_before)
        return _Day(
            boot_id=self._boot_id,
            began_ns=self._clock.boot_ns(),
            began_at=began_at,
            sent_bytes=0,
        )

    def _kept(self) -> _Day | None:
        """Return the day that had begun before the restart, on this boot's clock."""
        text = self._notes.noted(BUDGET)
        try:
            day = _Day.model_validate_json(text) if text else None
        except ValidationError:  # of another version of this software
            return None
        if day is None or day.boot_id == self._boot_id:
            return day
        age_ns = round(self._age_s(day.began_at) * 1e9)
        began_ns = self._clock.boot_ns() - age_ns
        return day.model_copy(update={"boot_id": self._boot_id, "began_ns": began_ns})

    def _age_s(self, began_at: datetime | None) -> float:
        now = believed(self._clock.now(), began_at)
        return 0.0 if now is None or began_at is None else (now - began_at).total_seconds()


class Metered:
    """A link whose messages are counted, and go in any case.

    Args:
        link: A connection that stands.
        budget: Counts.
        refusals: Follows them to the broker's answer.
    """

    def __init__(self, link: Publisher, budget: Budget, refusals: Refusals) -> None:
        self._link = link
        self._budget = budget
        self._refusals = refusals

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Publish and count; see `Publisher`."""
        self._budget.spend(len(topic) + len(payload))
        mid = self._link.publish(topic, payload, retain=retain, expiry_s=expiry_s)
        self._refusals.sent(mid, topic)
        return mid
