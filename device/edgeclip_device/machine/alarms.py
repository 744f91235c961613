"""Which alarms a look at the machine raises, and which it clears."""

from __future__ import annotations

from collections import deque

from edgeclip.contract.alarms import AlarmCode
from edgeclip.contract.detection import Clock
from edgeclip_device.machine.telemetry import Telemetry

_OVERCURRENT_S = 3600.0  # the alarm stands so long after the last event


class MachineAlarms:
    """Judges one look after the other.

    Args:
        overtemp_c: From this junction temperature on the board is too hot.
    """

    def __init__(self, overtemp_c: float) -> None:
        self._overtemp_c = overtemp_c
        self._events: deque[tuple[float, int]] = deque()

    def judge(
        self, now_s: float, machine: Telemetry, clock: Clock, untimed: str = ""
    ) -> dict[AlarmCode, str | None]:
        """Return the detail of each alarm that stands, and None for each that does not.

        Args:
            now_s: On the boot-time clock.
            machine: One look.
            clock: How far the wall clock is believed.
            untimed: What cannot be kept without it; empty for nothing.
        """
        return {
            "overtemp": self._heat(machine),
            "overcurrent": self._overcurrent(now_s, machine.overcurrent_events),
            "disk_low": _space(machine),
            "disk_read_only": _read_only(machine),
            "clock_untrusted": None if clock.trusted else _timeless(untimed),
        }

    def _heat(self, machine: Telemetry) -> str | None:
        if machine.junction_c is None or machine.junction_c < self._overtemp_c:
            return None
        slowed = ", and the kernel slows it down" if machine.throttled else ""
        return (
            f"the junction is at {machine.junction_c} degrees{slowed}: give it shade and air, or a"
            " thriftier power mode"
        )

    def _overcurrent(self, now_s: float, events: int | None) -> str | None:
        if events is None:
            return None
        self._events.append((now_s, events))
        while now_s - self._events[0][0] > _OVERCURRENT_S:
            self._events.popleft()
        grown = events - self._events[0][1]
        if grown <= 0:
            return None
        return (
            f"the board throttled {grown} times for over-current within an hour: check supply and"
            " cable, or choose a thriftier power mode"
        )


def _timeless(untimed: str) -> str:
    also = f"; {untimed}" if untimed else ""
    return (
        "no NTP, no GNSS, and no RTC is vouched for: detections carry the time since boot"
        f"{also}; see [clock] and `edgeclip-device doctor`"
    )


def _space(machine: Telemetry) -> str | None:
    if machine.disk is None or not machine.disk.is_low:
        return None
    return (
        f"{machine.disk.free_bytes / 1e6:,.0f} MB are free on the disk of the outbox: delete what"
        " is not needed, or lower [outbox].max_mb"
    )


def _read_only(machine: Telemetry) -> str | None:
    if machine.disk is None or not machine.disk.is_read_only:
        return None
    return "the disk of the outbox is read-only: look at dmesg; repair or replace the card"
