"""`edgeclip teach` as a process of its own: bounded in time, in what it says, and one at a time.

torch stays out of the server. The child gets no secret of the server's environment, and ends with
all that it started when its time is over.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from edgeclip.errors import DashboardError, SetupError
from edgeclip_dashboard.config_teaching import TeachingSettings

_SECRETS: Final = "EDGECLIP_DASHBOARD_"
_MOST_SAID: Final = 100_000
_MOST_TOLD: Final = 1_000
_INSTALL: Final = (
    "what teaches is not installed here: install it where the dashboard runs (pip install"
    " 'edgeclip[train]', or with [teaching].bundle 'edgeclip[cpu,device]'), or name the program in"
    " [teaching].program"
)


def run_teaching(settings: TeachingSettings, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what `edgeclip teach --json` says; may take minutes.

    Args:
        settings: The table `[teaching]`.
        arguments: Of the command, without `--json` and the encoder.

    Raises:
        DashboardError: It refused the images or the name, or took too long.
        SetupError: It is not installed, or cannot be started.
    """
    program = settings.program
    command = [str(program)] if program else [sys.executable, "-m", "edgeclip.cli"]
    command += ["teach", "--json", *arguments]
    command += ["--bundle", str(settings.bundle)] if settings.bundle else []
    command += ["--backbone", settings.backbone] if settings.backbone else []
    command += ["--pretrained", settings.pretrained] if settings.pretrained else []
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as complaints:
        code = _run(command, settings.longest_s, answers, complaints)
        said, complained = _read(answers), _read(complaints)
    if code != 0:
        raise _refusal(complained)
    try:
        content = json.loads(said)
    except ValueError as error:
        raise SetupError(
            "what [teaching].program names does not answer as `edgeclip teach` does: check the path"
        ) from error
    if not isinstance(content, dict):
        raise SetupError("`edgeclip teach` answered something else: update it")
    return content


def _run(command: list[str], longest_s: float, answers: IO[bytes], complaints: IO[bytes]) -> int:
    """Run a command into files, so that what it says takes no memory; return its exit code."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_SECRETS)}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=answers, stderr=complaints,
            env=environment, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise SetupError(
            f"{command[0]} cannot be started ({error.strerror}): check [teaching].program"
        ) from error
    try:
        return process.wait(longest_s)
    except subprocess.TimeoutExpired as error:
        raise DashboardError(
            f"it was not done after {longest_s:g} s and was ended: see [teaching].longest_s"
        ) from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST_SAID).decode("utf-8", errors="replace")


def _refusal(complained: str) -> Exception:
    last = next((line for line in reversed(complained.splitlines()) if line.strip()), "")
    if "ModuleNotFoundError" in last or "No module named" in last:
        return SetupError(_INSTALL)
    return DashboardError(last.removeprefix("error: ")[:_MOST_TOLD] or "it ended and said nothing")


def command_paths(option: str, paths: Sequence[Path]) -> list[str]:
    """Return an option of several paths as arguments; none of no paths."""
    return [option, *(str(path) for path in paths)] if paths else []
