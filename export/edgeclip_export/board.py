"""What stands on this board: model, memory, disk, power mode. Linux; no vendor's tool."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_JETSON_RELEASE = "etc/nv_tegra_release"
_POWER_STATUS = "var/lib/nvpmodel/status"
_POWER_MODES = "etc/nvpmodel.conf"
_MODEL = "proc/device-tree/model"
SMALL_BOARD_MB = 8192
"""Up to here memory decides; an 8 GB module reports less, since firmware takes a part."""


@dataclass(frozen=True)
class Board:
    """The machine that builds.

    Attributes:
        memory_mb: All of its memory, MiB; 0 where it cannot be read.
        free_mb: What a build may take, MiB: memory that is available, and free swap.
        power_mode: Name of the Jetson's power mode, for example `15W`; empty where none is read.
        is_jetson: JetPack's release file is there.
        model: As the device tree names it; empty where there is none.
    """

    memory_mb: int
    free_mb: int
    power_mode: str = ""
    is_jetson: bool = False
    model: str = ""

    @property
    def is_small(self) -> bool:
        """It has at most 8 GB."""
        return self.memory_mb <= SMALL_BOARD_MB


def read_board(root: Path = Path("/")) -> Board:
    """Return the facts of this machine.

    Args:
        root: Where its file system begins.
    """
    sizes = _memory(root / "proc/meminfo")
    return Board(
        memory_mb=sizes.get("MemTotal", 0),
        free_mb=sizes.get("MemAvailable", 0) + sizes.get("SwapFree", 0),
        power_mode=_power_mode(root),
        is_jetson=(root / _JETSON_RELEASE).is_file(),
        model=_text(root / _MODEL).rstrip("\0\n"),
    )


def free_disk_mb(folder: Path) -> int:
    """Return what is free where a folder lies or will lie, MiB."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free >> 20


def _memory(path: Path) -> dict[str, int]:
    """Return the sizes in `/proc/meminfo` by name, MiB."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", _text(path), re.MULTILINE)
    return {name: int(size_kib) >> 10 for name, size_kib in found}


def _power_mode(root: Path) -> str:
    """Return the name that `nvpmodel` gives to the number it was set to."""
    number = re.search(r"pmode:(\d+)", _text(root / _POWER_STATUS))
    if number is None:
        return ""
    modes: dict[str, str] = dict(
        re.findall(r"POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", _text(root / _POWER_MODES))
    )
    return modes.get(str(int(number[1])), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
