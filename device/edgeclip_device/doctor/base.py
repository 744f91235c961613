"""One line of the doctor: what was looked at, what was found, what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeclip_device.config import DeviceSettings
from edgeclip_device.machine.tree import Tree

Verdict = Literal["ok", "warn", "fail", "absent"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: Its name, the same on every machine.
        verdict: `absent` is no fault: this machine does not have it.
        found: What was seen.
        next_step: What to do; empty where nothing is.
    """

    check: str
    verdict: Verdict
    found: str
    next_step: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at.

    Attributes:
        settings: The device's configuration.
        tree: The machine's files.
        may_open_camera: Whether a frame may be taken.
        may_connect: Whether the broker may be asked.
    """

    settings: DeviceSettings
    tree: Tree = field(default_factory=Tree)
    may_open_camera: bool = True
    may_connect: bool = True

    @property
    def is_jetson(self) -> bool:
        """Whether the device tree names a Jetson."""
        return "jetson" in (self.model or "").lower()

    @property
    def model(self) -> str | None:
        """The board's name by the device tree."""
        return self.tree.text("/sys/firmware/devicetree/base/model")

    @property
    def is_this_machine(self) -> bool:
        """Whether the files are those of the machine that runs this."""
        return self.tree.root == Path("/")


Check = Callable[[Patient], Iterable[Finding]]


def output_of(*command: str, patience_s: float = 10.0) -> str | None:
    """Return what a program prints; None where it is absent, fails or hangs."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True, text=True, check=False, timeout=patience_s,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
