"""`edgeclip-export` run in a process of its own, and what a command printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line on stdout."""
        return self.out.splitlines()[-1]


Run = Callable[..., Finished]


def environment(first: Path | None, **variables: str) -> dict[str, str]:
    """Return the environment, with a folder before all others on the import path."""
    folders = [str(first)] if first else []
    folders += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(folders)}


def command_line(*arguments: object) -> list[str]:
    """Return what starts `edgeclip-export` with arguments."""
    return [sys.executable, "-m", "edgeclip_export.cli", *map(str, arguments)]


def in_a_process(*arguments: object, first: Path | None = None, **variables: str) -> Finished:
    """Run `edgeclip-export` to its end."""
    done = subprocess.run(
        command_line(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(first, **variables),
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def refused(done: Finished, code: int, *words: str) -> None:
    """Check exit code and message: one line, beside what a long build says of its progress.

    Args:
        done: The command.
        code: Its exit code.
        words: What stands in the line.
    """
    assert done.code == code, done
    lines = done.err.splitlines()
    (line,) = (each for each in lines if not each.startswith("building for "))
    assert line.startswith("error: ")
    for word in words:
        assert word in line
