"""Steps of an installation: each says what it found and did; a second run changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeclip.contract.files import write_text
from edgeclip.errors import SetupError

Did = Literal["made", "changed", "kept", "removed", "absent", "note"]


@dataclass(frozen=True)
class Step:
    """One thing that was looked at.

    Attributes:
        did: What became of it; `note` is advice.
        what: A path, a unit, or a sentence.
    """

    did: Did
    what: str


@dataclass
class System:
    """The file system that is installed into, and what was done to it.

    Attributes:
        root: What stands for `/`: a folder for an image or a test.
        steps: In order.
        patience_s: How long a program of systemd may take.
    """

    root: Path = Path("/")
    steps: list[Step] = field(default_factory=list)
    patience_s: float = 60.0

    @property
    def is_running(self) -> bool:
        """Whether it is this machine, with systemd at work."""
        return self.root == Path("/") and Path("/run/systemd/system").is_dir()

    @property
    def has_changed(self) -> bool:
        """Whether anything was made, changed or removed so far."""
        return any(step.did in ("made", "changed", "removed") for step in self.steps)

    def at(self, name: str) -> Path:
        """Return where an absolute path lies."""
        return self.root / name.lstrip("/")

    def say(self, did: Did, what: str) -> None:
        """Add a step."""
        self.steps.append(Step(did, what))

    def put(self, name: str, text: str, *, keep: bool = False) -> None:
        """Write a file, unless it says so already.

        Args:
            name: Absolute path.
            text: What it should say.
            keep: Leave a file as it is that says something else.

        Raises:
            SetupError: It cannot be written.
        """
        path = self.at(name)
        before = path.read_text() if path.is_file() else None
        if before == text or (before is not None and keep):
            self.say("kept", name)
            return
        try:
            write_text(path, text)
        except OSError as error:
            raise SetupError(
                f"{path} cannot be written ({error.strerror}): run with sudo, or name a folder"
                " with --root"
            ) from error
        self.say("made" if before is None else "changed", name)

    def remove(self, name: str) -> None:
        """Remove a file, a link or a folder.

        Raises:
            SetupError: It cannot be removed.
        """
        path = self.at(name)
        if not path.exists() and not path.is_symlink():
            self.say("absent", name)
            return
        try:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError as error:
            raise SetupError(f"{path} cannot be removed ({error.strerror}): use sudo") from error
        self.say("removed", name)

    def run(self, program: str, *arguments: str, where: str = "--root") -> None:
        """Run a program on this file system.

        Args:
            program: Of systemd, or one that takes the same option.
            arguments: What it is told.
            where: Its option for a folder that stands for `/`.

        Raises:
            SetupError: It failed, or took too long.
        """
        found = shutil.which(program)
        line = " ".join((program, *arguments))
        if found is None:
            self.say("note", f"{program} is not here: run `{line}` on the device")
            return
        there = [] if self.root == Path("/") else [where, str(self.root.absolute())]
        try:
            done = subprocess.run(
                [found, *there, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=self.patience_s,
                env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"`{line}` failed ({error}): run it by hand, then again") from error
        if done.returncode != 0:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise SetupError(f"`{line}` failed: {reason}")
