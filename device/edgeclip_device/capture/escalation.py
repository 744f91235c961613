"""What is tried when a camera fails, one step after the other, from mild to harsh.

reopen, three times -> a new capture process, the old one killed -> a restart of the system's camera
service -> a reboot. A step that cannot help is left out; once all are tried, new processes go on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeclip.contract.files import write_text
from edgeclip_device.clock import boot_id, boot_now_ns

log = logging.getLogger(__name__)

Step = Literal["reopen", "restart", "service", "reboot"]

_REOPENINGS = 3
_SERVICE_AFTER_S = 30.0  # a plug that is pulled and put back needs no restart of a service
_SERVICE_EVERY_S = 600.0
_REBOOT_AFTER_S = 300.0
_GOOD_S = 30.0  # a camera that works for less has not recovered
_REBOOT_EVERY_NS = 6 * 3600 * 10**9
_REBOOT_FILE = "camera-reboot.json"


@dataclass(frozen=True)
class Means:
    """What may be tried.

    Attributes:
        has_service: Whether a service of the system holds the camera.
        reboot_is_due: Says whether a reboot may be asked for now.
    """

    has_service: bool
    reboot_is_due: Callable[[], bool]


class Escalation:
    """Counts the tries of one camera.

    Args:
        means: What may be tried.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._failing_since_s: float | None = None
        self._good_since_s: float | None = None
        self._reopenings = 0
        self._has_restarted = False
        self._service_at_s = -float("inf")

    def works(self, now_s: float) -> None:
        """Note a good frame; half a minute of them ends the failure.

        Args:
            now_s: Monotonic clock.
        """
        if self._good_since_s is None:
            self._good_since_s = now_s
        if now_s - self._good_since_s >= _GOOD_S:
            self._failing_since_s = None
            self._reopenings, self._has_restarted = 0, False

    def next_step(self, now_s: float, *, answers: bool) -> Step:
        """Return what is to be tried now.

        Args:
            now_s: Monotonic clock.
            answers: Whether the capture process does; one that hangs cannot reopen anything.
        """
        self._good_since_s = None
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        failing_s = now_s - self._failing_since_s
        if answers and self._reopenings < _REOPENINGS and not self._has_restarted:
            self._reopenings += 1
            return "reopen"
        if not self._has_restarted:
            self._has_restarted = True
            return "restart"
        if failing_s >= _REBOOT_AFTER_S and self._means.reboot_is_due():
            return "reboot"
        if self._service_is_due(now_s, failing_s):
            self._service_at_s = now_s
            return "service"
        return "restart"

    def _service_is_due(self, now_s: float, failing_s: float) -> bool:
        return (
            self._means.has_service
            and failing_s >= _SERVICE_AFTER_S
            and now_s - self._service_at_s >= _SERVICE_EVERY_S
        )


class RebootRule:
    """At most one reboot for a camera in 6 h, and only where the operator allows any.

    It counts on the boot-time clock alone: after a reboot of ours the machine must have been up for
    6 h. What a wrong wall clock says does not matter.

    Args:
        state: The state folder, which remembers the last one.
        is_allowed: `camera.may_reboot`.
    """

    def __init__(
        self,
        state: Path,
        *,
        is_allowed: bool,
        boot_ns: Callable[[], int] = boot_now_ns,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._path = state / _REBOOT_FILE
        self._is_allowed = is_allowed
        self._boot_ns, self._boot = boot_ns, boot

    def is_due(self) -> bool:
        """Say whether a reboot may be asked for now."""
        if not self._is_allowed:
            return False
        last = self._last()
        if last is None:
            return True
        boot, at_ns = last
        since_ns = self._boot_ns() - at_ns if boot == self._boot() else self._boot_ns()
        return since_ns >= _REBOOT_EVERY_NS

    def note(self) -> bool:
        """Remember one; say whether that could be written, without which none may be."""
        fields = {"boot_id": self._boot(), "boot_ns": self._boot_ns()}
        try:
            write_text(self._path, json.dumps(fields) + "\n")
        except OSError as error:
            log.error("no reboot: it could not be noted in %s (%s)", self._path, error.strerror)
            return False
        return True

    def _last(self) -> tuple[str, int] | None:
        """Return the boot and time of the last one; what cannot be read counts as just now."""
        try:
            fields = json.loads(self._path.read_text())
            return str(fields["boot_id"]), int(fields["boot_ns"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return self._boot(), self._boot_ns()
