"""Requests to root: detect and uplink ask by a file, a path unit starts `apply`, which does it.

A file's name is the request, out of a fixed list. They lie under /run, so that no boot finds one.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from edgeclip.contract.files import write_text
from edgeclip.errors import ConfigError, SetupError
from edgeclip_device.clock import boot_id

log = logging.getLogger(__name__)

Request = Literal["restart-nvargus", "restart-detect", "restart-uplink", "reboot"]
REQUESTS: Final = get_args(Request)
FOLDER: Final = Path("/run/edgeclip/requests")
STATE: Final = Path("/var/lib/edgeclip-apply")

_MOST_BYTES = 4096
_CAMERA_REBOOT_S = 6 * 3600.0
_ANY_REBOOT_S = 600.0  # a device that only reboots is worse than one that fails
_PATIENCE_S = 45.0
_COMMANDS: Final[dict[str, list[str]]] = {
    "restart-nvargus": ["systemctl", "restart", "nvargus-daemon.service"],
    "restart-detect": ["systemctl", "restart", "--no-block", "edgeclip-detect.service"],
    "restart-uplink": ["systemctl", "restart", "--no-block", "edgeclip-uplink.service"],
    "reboot": ["systemctl", "reboot"],
}

Runner = Callable[[Sequence[str]], int]


def ask(request: Request, reason: str, folder: Path = FOLDER) -> bool:
    """Ask root for something; say whether anyone could hear it.

    Args:
        request: What.
        reason: Why; `camera: ...` for what the camera's escalation asks.
        folder: Where the path units look.
    """
    if not folder.is_dir():
        log.error("nobody can %s: %s is missing: install the units", request, folder)
        return False
    try:
        write_text(folder / request, json.dumps({"reason": reason[:1000]}))
    except OSError as error:
        log.error("%s cannot be asked for (%s)", request, error)
        return False
    log.warning("asked for %s: %s", request, reason)
    return True


def apply(
    request: str,
    *,
    folder: Path = FOLDER,
    state: Path = STATE,
    run: Runner | None = None,
    up_s: float | None = None,
) -> str:
    """Do what a request asks for, once, and say what was done.

    Args:
        request: Its name; the file is removed first, so that a failure is not tried for ever.
        folder: Where it lies.
        state: Where root remembers its reboots.
        run: Runs a command and returns its exit code.
        up_s: Seconds since boot; None asks the kernel.

    Raises:
        ConfigError: There is no such request.
        SetupError: It may not be done now, or failed.
    """
    if request not in _COMMANDS:
        raise ConfigError(f"{request} is no request: there are {', '.join(REQUESTS)}")
    reason = _take(folder / request)
    if reason is None:
        return f"nobody asks for {request}"
    if request == "reboot":
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME) if up_s is None else up_s
        _refuse_often(reason, state, now_s)
    code = (run or _run)(_COMMANDS[request])
    if code != 0:
        raise SetupError(f"{request}: {' '.join(_COMMANDS[request])} ended with {code}")
    return f"{request} done: {reason}"


def _take(path: Path) -> str | None:
    """Remove a request and return its reason; a link is no request."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SetupError(f"{path} is no request ({error.strerror}): it was removed") from error
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(_MOST_BYTES)
    path.unlink(missing_ok=True)
    try:
        return str(json.loads(data)["reason"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _refuse_often(reason: str, state: Path, up_s: float) -> None:
    """Refuse a reboot soon after one of ours: the time since boot tells it without a clock."""
    mark = state / "rebooted-from"
    before = mark.read_text().strip() if mark.is_file() else ""
    wanted_s = _CAMERA_REBOOT_S if reason.startswith("camera") else _ANY_REBOOT_S
    if before and before != boot_id() and up_s < wanted_s:
        raise SetupError(
            f"no reboot ({reason}): the last one that was asked for was {up_s / 60:.0f} min ago,"
            f" and {wanted_s / 60:.0f} min must lie between"
        )
    write_text(mark, boot_id() + "\n")


def _run(command: Sequence[str]) -> int:
    try:
        return subprocess.run(command, check=False, timeout=_PATIENCE_S).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{' '.join(command)} failed: {error}") from error
