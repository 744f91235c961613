"""The disk under a folder: free space, read-only, what was written to it, how worn it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgeclip_device.machine.tree import Tree

_SECTOR_BYTES = 512  # of the kernel's counters, whatever the disk has
_WRITTEN = 6  # field of /sys/dev/block/*/stat: sectors written
_LEAST_FREE_BYTES = 2 * 1024**3
_LEAST_FREE_SHARE = 0.05


@dataclass(frozen=True)
class DiskSpace:
    """How full the file system of a folder is.

    Attributes:
        is_low: Less is free than the larger of 2 GiB and 5 %.
    """

    free_bytes: int
    size_bytes: int
    is_read_only: bool

    @property
    def is_low(self) -> bool:
        """Whether less is free than the larger of 2 GiB and 5 %, or than a tenth of a small one."""
        wanted = max(_LEAST_FREE_BYTES, self.size_bytes * _LEAST_FREE_SHARE)
        return self.free_bytes < min(wanted, self.size_bytes / 10)


def disk_space(folder: Path) -> DiskSpace | None:
    """Return how full the file system of a folder is; None where that cannot be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return DiskSpace(
        found.f_bavail * found.f_frsize,
        found.f_blocks * found.f_frsize,
        bool(found.f_flag & os.ST_RDONLY),
    )


def written_bytes(tree: Tree, folder: Path) -> int | None:
    """Return what was written to the partition of a folder since boot."""
    fields = (tree.text(f"{_block(folder)}/stat") or "").split()
    return int(fields[_WRITTEN]) * _SECTOR_BYTES if len(fields) > _WRITTEN else None


def wear_pct(tree: Tree, folder: Path) -> float | None:
    """Return how much of an eMMC's life is used, in steps of ten; None for other disks."""
    block = tree.path(_block(folder))
    for place in ("device/life_time", "../device/life_time"):  # of a disk, of a partition
        text = tree.text(block / place)
        if text:
            return _used(text)
    return None


def _used(text: str) -> float | None:
    try:
        worst = max(int(item, 16) for item in text.split())
    except ValueError:
        return None
    return min(worst * 10.0, 100.0) or None  # 0x00: the card does not say


def _block(folder: Path) -> str:
    try:
        device = folder.stat().st_dev
    except OSError:
        device = 0
    return f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
