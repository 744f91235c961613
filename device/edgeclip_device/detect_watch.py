"""Whether detect does anything at all: the uplink's look at what it should leave twice a minute."""

from __future__ import annotations

from collections.abc import Callable

from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import boot_id
from edgeclip_device.starts import ENDED
from edgeclip_device.vitals import VITALS, Vitals

_SILENT_S = 120.0
_LOOK_EVERY_S = 5.0


class DetectWatch:
    """Raises `detect_silent` while detect leaves no vitals, and clears it.

    Args:
        boot_ns: Nanoseconds since boot.
    """

    def __init__(self, boot_ns: Callable[[], int]) -> None:
        self._boot_ns = boot_ns
        self._since_ns = boot_ns()  # detect begins when we do, and is given as much time
        self._looked_ns: int | None = None

    def look(self, backlog: Backlog) -> None:
        """Look, if it is time to.

        Args:
            backlog: Where detect leaves its vitals, and whose alarms are set.

        Raises:
            OutboxError: It cannot be read.
        """
        now_ns = self._boot_ns()
        if self._looked_ns is not None and now_ns - self._looked_ns < _LOOK_EVERY_S * 1e9:
            return
        self._looked_ns = now_ns  # what lies in memory has no news of detect
        vitals = Vitals.from_json(backlog.noted(VITALS))
        newest_ns = vitals.boot_ns if vitals is not None and vitals.boot_id == boot_id() else 0
        if now_ns - newest_ns < _SILENT_S * 1e9 or backlog.is_volatile:
            backlog.alarms.clear_alarm("detect_silent")
        elif now_ns - self._since_ns >= _SILENT_S * 1e9:
            backlog.alarms.raise_alarm("detect_silent", _detail(backlog.noted(ENDED)))


def _detail(reason: str | None) -> str:
    if reason:
        return f"detect cannot work: {reason}"
    return "detect says nothing: it was stopped, hangs or crashes: journalctl -u edgeclip-detect"
