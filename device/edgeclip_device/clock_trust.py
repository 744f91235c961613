"""Whether the wall clock can be believed: by NTP through the kernel, GNSS, or a vouched RTC.

A clock that was right once in this boot stays right while nobody steps it; its error grows.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from datetime import datetime, timezone

from edgeclip.contract.detection import Clock
from edgeclip_device.field_settings import ClockSettings
from edgeclip_device.machine.tree import Tree

BELIEVED_FROM = datetime(2025, 1, 1, tzinfo=timezone.utc)  # no clock of ours can be right before
_SYNCHRONISED = "/run/systemd/timesync/synchronized"
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_RESERVE_BYTES = 512  # more than the rest of struct timex has on any machine
_DRIFT_PPM = 100  # a board's crystal is better; cold and heat included
_NTP_ERROR_MS = 100  # where only timesyncd's file says that it is synchronised


class _Timex(ctypes.Structure):
    """The first fields of struct timex; times in microseconds."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * _RESERVE_BYTES),
    )


@dataclass(frozen=True)
class Evidence:
    """What speaks for the clock at one moment.

    Attributes:
        ntp_error_ms: How far off it may be by NTP; None: NTP does not hold it.
        has_gnss: Whether a receiver disciplines it.
    """

    ntp_error_ms: int | None
    has_gnss: bool


def find_evidence(tree: Tree, settings: ClockSettings, now: datetime) -> Evidence:
    """Return what speaks for this machine's clock, whose wall time is `now`."""
    error_ms = _kernel_error_ms()
    if error_ms is None:  # it waits for NTP, has not heard of it for hours, or may not be asked
        error_ms = timesyncd_error_ms(tree, now)
    gnss = settings.gnss_file
    return Evidence(error_ms, gnss is not None and tree.path(gnss).exists())


@dataclass(frozen=True)
class _Fix:
    """When the clock was known to be right: wall time against the time since boot."""

    offset_ns: int
    boot_ns: int
    error_ms: int
    clock: Clock


class TrustJudge:
    """Judges one clock over a boot.

    Args:
        settings: The table `[clock]`.
    """

    def __init__(self, settings: ClockSettings) -> None:
        self._settings = settings
        self._fix: _Fix | None = None
        self._is_stepped = False  # since NTP or GNSS last spoke
        self.not_before = BELIEVED_FROM

    def judge(self, evidence: Evidence, now: datetime, boot_ns: int) -> Clock:
        """Return how far the wall time can be believed.

        Args:
            evidence: What speaks for it now.
            now: The wall time.
            boot_ns: Since boot, suspension included.
        """
        offset_ns = round(now.timestamp() * 1e9) - boot_ns
        found = _said(evidence)
        is_exact = found is not None and (found.error_ms or 0) <= self._settings.most_error_ms
        if found is not None and is_exact and now >= BELIEVED_FROM:
            if now < self.not_before:  # the anchor is of a clock that was wrong
                self.not_before = BELIEVED_FROM
            self._is_stepped = False
            self._fix = _Fix(offset_ns, boot_ns, found.error_ms or 0, found)
            return found
        if now < self.not_before:  # it was set back
            self._is_stepped = self._is_stepped or self._fix is not None
            self._fix = None
            return Clock(trusted=False, source="none")
        held = self._held(self._fix, offset_ns, boot_ns) if self._fix is not None else None
        if held is None and self._settings.rtc_has_battery and not self._is_stepped:
            held = Clock(trusted=True, source="rtc")
            self._fix = _Fix(offset_ns, boot_ns, 0, held)
        return held or Clock(trusted=False, source="none")

    def _held(self, fix: _Fix, offset_ns: int, boot_ns: int) -> Clock | None:
        """Believe a clock that runs on since it was right, unless it was stepped or is too old."""
        grown_ms = round((boot_ns - fix.boot_ns) / 1e6 * _DRIFT_PPM / 1e6)
        error_ms = fix.error_ms + grown_ms
        self._is_stepped = abs(offset_ns - fix.offset_ns) / 1e6 > error_ms + 1000
        is_old = error_ms > self._settings.most_error_ms and fix.clock.source != "rtc"
        if self._is_stepped or is_old:
            self._fix = None
            return None
        if fix.clock.source == "rtc":  # how far off it may be is not known
            return fix.clock
        return fix.clock.model_copy(update={"error_ms": error_ms})


def _said(evidence: Evidence) -> Clock | None:
    if evidence.ntp_error_ms is not None:
        return Clock(trusted=True, source="ntp", error_ms=evidence.ntp_error_ms)
    if evidence.has_gnss:
        return Clock(trusted=True, source="gnss", error_ms=_NTP_ERROR_MS)
    return None


def timesyncd_error_ms(tree: Tree, now: datetime) -> int | None:
    """Return the error by the file that timesyncd touches whenever it has set the clock.

    A clock that was stepped since is far from the file's time, in either direction.
    """
    try:
        age_s = now.timestamp() - tree.path(_SYNCHRONISED).stat().st_mtime
    except OSError:
        return None
    return None if age_s < 0 else _NTP_ERROR_MS + round(age_s * _DRIFT_PPM / 1000)


def _kernel_error_ms() -> int | None:
    """Ask the kernel how far off it may be; a sandbox that forbids the question gets None."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (AttributeError, OSError):
        return None
    return int(timex.maxerror) // 1000 if 0 <= state != _TIME_ERROR else None
