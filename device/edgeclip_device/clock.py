"""Clocks: which may be believed, and for what.

Durations use the monotonic clock, detections the boot-time clock, which counts suspension; wall
time is only written down.
"""

from __future__ import annotations

import ctypes
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from edgeclip.contract.detection import Clock

BELIEVED_FROM = datetime(2025, 1, 1, tzinfo=timezone.utc)  # no clock of ours can be right before
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex has on any machine


class WallClock(Protocol):
    """What tells the time; tests give their own."""

    def now(self) -> datetime:
        """Return the wall time, aware UTC, believed or not."""

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, suspension included."""

    def trust(self) -> Clock:
        """Return how far `now` can be believed."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the wall time, aware UTC, believed or not."""
        return datetime.now(timezone.utc)

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, suspension included."""
        return boot_now_ns()

    def trust(self) -> Clock:
        """Return whether NTP holds the kernel's clock."""
        trusted = _SYNCHRONISED.exists() or _kernel_is_synchronised()
        return Clock(trusted=trusted, source="ntp" if trusted else "none")


def boot_now_ns() -> int:
    """Return nanoseconds since boot, suspension included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def believed(now: datetime, anchor: datetime | None) -> datetime | None:
    """Return `now`, or None where it lies before what is known to have passed.

    Args:
        now: The wall time.
        anchor: The last wall time that was believed, from before a reboot; None if there is none.
    """
    return None if now < max(BELIEVED_FROM, anchor or BELIEVED_FROM) else now


def boot_id() -> str:
    """Return the kernel's id of this boot; of its own making where /proc does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def _kernel_is_synchronised() -> bool:
    """Ask the kernel; a sandbox that forbids the question gets no for an answer."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(
            ctypes.create_string_buffer(_TIMEX_BYTES)
        )
    except (AttributeError, OSError):
        return False
    return bool(0 <= state != _TIME_ERROR)
