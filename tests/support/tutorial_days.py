"""A tutorial typed from its first command to its last, in terminals, from an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.terminals import Terminal, wait_for
from support.tutorial_steps import FIRST, Step, missing_line

PATIENCE_S = 180.0
"""How long a block of commands may take on a busy machine; nothing asserts on it."""

_OURS = re.compile(r"edgeclip|_+editable|pip|setuptools|wheel", re.IGNORECASE)


@dataclass
class Day:
    """A reader's day.

    Attributes:
        folder: Where the terminals are opened; empty at first.
        terminal: Opens or finds a terminal by its name.
        ports: What stands for each port that the page names.
        visits: What a reader does elsewhere before a section begins, by its heading.
        typed: The steps so far.
        unseen: What the page says and no terminal showed.
    """

    folder: Path
    terminal: Callable[[str], Terminal]
    ports: Mapping[str, int]
    visits: dict[str, Callable[[], None]]
    typed: list[Step] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def type(self, step: Step) -> None:
        """Type a block, wait for its end, or in another terminal for what it shows at first.

        Raises:
            AssertionError: A command failed, or ended that should go on.
        """
        if visit := self.visits.pop(step.heading, None):
            visit()
        terminal = self.terminal(step.terminal)
        if step.is_interrupting:
            terminal.interrupt()
            self._finish(step, terminal)
        terminal.type(self.here(step.commands))
        seen = [self.here(line) for line in step.seen]
        if step.terminal == FIRST:
            self._finish(step, terminal)
        else:
            self._begin(step, terminal, seen)
        if unseen := missing_line(seen, terminal.shown):
            self.unseen.append(f"line {step.line}: {unseen}\n{terminal.shown}")
        self.typed.append(step)

    def here(self, text: str) -> str:
        """Return a text of the page with free ports in place of its own."""
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text

    def _finish(self, step: Step, terminal: Terminal) -> None:
        wait_for(
            lambda: terminal.exit_code() is not None,
            what=lambda: f"line {step.line} ends:\n{terminal.shown}",
            patience_s=PATIENCE_S,
        )
        code = terminal.exit_code()
        assert code == 0, f"line {step.line} ended with {code}:\n{step.commands}\n{terminal.shown}"

    def _begin(self, step: Step, terminal: Terminal, seen: list[str]) -> None:
        assert seen, f"line {step.line}: the page does not say what shows that it runs"
        wait_for(
            lambda: not missing_line(seen, terminal.shown) or terminal.exit_code() is not None,
            what=lambda: f"line {step.line} shows {seen}:\n{terminal.shown}",
            patience_s=PATIENCE_S,
        )
        code = terminal.exit_code()
        assert code is None, f"line {step.line} ended with {code}:\n{terminal.shown}"


def reader(base: Path, project: Path) -> dict[str, str]:
    """Return the environment of a reader who has the project's files in `~/edgeclip`.

    pip has no network: the project itself is built and installed from its files, and what it needs
    is found where this Python has it.

    Args:
        base: Takes home and programs.
        project: The project's folder.
    """
    home, programs, libraries = (base / name for name in ("home", "programs", "libraries"))
    for folder in (home, programs, libraries):
        folder.mkdir()
    (home / "edgeclip").symlink_to(project)
    (programs / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not _OURS.match(entry.name) and entry.suffix != ".pth":
            (libraries / entry.name).symlink_to(entry)
    broker = Path(shutil.which("mosquitto") or "/usr/sbin/mosquitto").parent
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), "/usr/bin", "/bin", str(broker)]),
        "PYTHONPATH": str(libraries),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",  # a PyTorch for CPUs alone lacks what its metadata names
        "PIP_NO_BUILD_ISOLATION": "0",  # for pip that means: build without isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ},
    }
