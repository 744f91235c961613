"""Clocks: which may be believed, and for what.

Durations use the monotonic clock, detections the boot-time clock, which counts suspension; wall
time is only written down.
"""

from __future__ import annotations

import functools
import os
import time
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from edgeclip.contract.detection import Clock
from edgeclip_device.clock_trust import BELIEVED_FROM, TrustJudge, find_evidence
from edgeclip_device.field_settings import ClockSettings
from edgeclip_device.machine.tree import Tree

BOOT_ID_VARIABLE = "EDGECLIP_BOOT_ID"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LONGEST_OFF = timedelta(days=400)


class WallClock(Protocol):
    """What tells the time; tests give their own."""

    def now(self) -> datetime:
        """Return the wall time, aware UTC, believed or not."""

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, suspension included."""

    def trust(self) -> Clock:
        """Return how far `now` can be believed."""

    @property
    def not_before(self) -> datetime:
        """What is known to have passed: no earlier wall time is right."""

    def remember(self, anchor: datetime | None) -> None:
        """Believe no time before this one, from before a reboot, unless NTP or GNSS says so."""


class SystemClock:
    """The machine's clocks.

    Args:
        settings: The table `[clock]`.
        tree: The machine's files.
    """

    def __init__(self, settings: ClockSettings | None = None, tree: Tree | None = None) -> None:
        self._settings = settings or ClockSettings()
        self._tree = tree or Tree()
        self._judge = TrustJudge(self._settings)

    def now(self) -> datetime:
        """Return the wall time, aware UTC, believed or not."""
        return datetime.now(timezone.utc)

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, suspension included."""
        return boot_now_ns()

    def trust(self) -> Clock:
        """Return how far `now` can be believed: by NTP, GNSS, or an RTC that is vouched for."""
        now = self.now()
        evidence = find_evidence(self._tree, self._settings, now)
        return self._judge.judge(evidence, now, self.boot_ns())

    @property
    def not_before(self) -> datetime:
        """What is known to have passed: no earlier wall time is right."""
        return self._judge.not_before

    def remember(self, anchor: datetime | None) -> None:
        """Believe no time before this one, from before a reboot, unless NTP or GNSS says so."""
        self._judge.not_before = max(BELIEVED_FROM, anchor or BELIEVED_FROM)


def may_be_anchor(clock: WallClock, anchor: datetime | None) -> bool:
    """Say whether the wall time of now is to be remembered as passed.

    A hardware clock may have been set to anything: it may be a year on after a winter in a
    box, but not ten. A wrong anchor would make later boots distrust the right time.

    Args:
        clock: Whose time it is.
        anchor: The last one; None where there is none.
    """
    trust = clock.trust()
    if not trust.trusted or trust.source != "rtc" or anchor is None:
        return trust.trusted
    return clock.now() - anchor <= timedelta(seconds=clock.boot_ns() / 1e9) + _LONGEST_OFF


def boot_now_ns() -> int:
    """Return nanoseconds since boot, suspension included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def believed(now: datetime, anchor: datetime | None) -> datetime | None:
    """Return `now`, or None where it lies before what is known to have passed.

    Args:
        now: The wall time.
        anchor: What is known to have passed; None where nothing is.
    """
    return None if now < max(BELIEVED_FROM, anchor or BELIEVED_FROM) else now


@functools.cache
def boot_id() -> str:
    """Return the kernel's id of this boot.

    A sandbox without /proc/sys gets it from its unit (`EDGECLIP_BOOT_ID=%b`); where nobody tells,
    this process makes one of its own.
    """
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return told_boot_id(os.environ.get(BOOT_ID_VARIABLE, "")) or str(uuid.uuid4())


def told_boot_id(text: str) -> str | None:
    """Return systemd's boot id, which has no dashes, in the kernel's form; None of what is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None
