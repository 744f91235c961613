"""Small disks that fill up, and that go read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(disk: Path, size: str = "1m") -> Iterator[Path]:
    """Yield a folder that is a file system of its own; skips where mounting is not allowed."""
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path) -> None:
    """Make a file of all the space that a disk has left."""
    disk = os.statvfs(path.parent)
    path.write_bytes(bytes(disk.f_bavail * disk.f_frsize))


def remount(disk: Path, how: str) -> None:
    """Mount a disk anew.

    Args:
        disk: Where nothing is open to be written.
        how: ro or rw.
    """
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)
