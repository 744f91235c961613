"""The moment when a boot's clock can be trusted: told once, so that its times can be put right."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from edgeclip.contract.logbook import ClockFix
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device import database
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import WallClock
from edgeclip_device.letters import post

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TOLD = "clockfix_boot"  # key in `meta`


class ClockFixer:
    """Looks at the clock's trust, and posts `clockfix` when it arrives.

    Args:
        clock: The machine's clocks.
        topics: Of this device.
        boot_id: Of this boot.
    """

    def __init__(self, clock: WallClock, topics: DeviceTopics, boot_id: str) -> None:
        self._clock = clock
        self._topics = topics
        self._boot_id = boot_id
        self._untrusted: timedelta | None = None  # wall time less boot time, before trust
        self._is_told = False

    def look(self, backlog: Backlog) -> None:
        """Note how far the clock is off, or post the fix; once a boot.

        Raises:
            OutboxError: The outbox cannot be written.
        """
        if self._is_told:
            return
        trust = self._clock.trust()
        at_boot_ns, now = self._clock.boot_ns(), self._clock.now()
        since_boot = now - timedelta(microseconds=at_boot_ns // 1000)
        if not trust.trusted or trust.source == "none":
            self._untrusted = since_boot - _EPOCH
            return
        if backlog.noted(_TOLD) != self._boot_id:
            fix = ClockFix(
                boot_id=self._boot_id,
                at_boot_ns=at_boot_ns,
                true_at=now,
                offset_ms=self._offset_ms(since_boot - _EPOCH),
                source=trust.source,
                error_ms=trust.error_ms,
            )
            with database.transaction(backlog.connection) as connection:
                post(connection, self._topics.clockfix, fix.to_json())
                database.write_meta(connection, _TOLD, self._boot_id)
        self._is_told = True

    def _offset_ms(self, trusted: timedelta) -> int | None:
        if self._untrusted is None:
            return None
        return round((trusted - self._untrusted).total_seconds() * 1000)
