"""Real processes of `edgeclip-device`: started, watched, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RUN = "from edgeclip_device.cli import main; main()"


def start(
    *arguments: str | Path, log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `edgeclip-device` with these arguments.

    Args:
        arguments: Of the command line.
        log: Takes stdout and stderr, appended.
        environment: Variables beside this process's.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, *map(str, arguments)],
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )


@contextmanager
def running(
    *arguments: str | Path, log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a started `edgeclip-device`, and kill it at the end if it still runs."""
    process = start(*arguments, log=log, environment=environment)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with SIGKILL; one that has ended already is no error."""
    process.kill()
    process.wait(timeout=10)


def end(process: subprocess.Popen[bytes]) -> int:
    """End a process with SIGTERM and return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=20)


def complete(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `edgeclip-device` to its end."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
