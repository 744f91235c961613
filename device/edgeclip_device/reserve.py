"""Room that is kept for a full disk: without any, SQLite cannot even open what is there."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

RESERVE_FILE: Final = "reserve"
RESERVE_BYTES: Final = 2_000_000  # SQLite's shared memory, its log, and a few revisions
_PLENTY: Final = 8  # so many times the reserve must be free before it is taken


def use_reserve(state: Path) -> None:
    """Give the reserve back where the disk is full: before the outbox is opened.

    Args:
        state: The state folder; it may be missing.
    """
    path = state / RESERVE_FILE
    try:
        if path.exists() and _free_bytes(state) < RESERVE_BYTES:
            path.unlink()
            log.error("the disk is full: %s is removed, so that the outbox finds room", path)
    except OSError as error:
        log.error("%s cannot be removed (%s)", path, error.strerror)


def keep_reserve(state: Path) -> None:
    """See to it that there is a reserve, where the disk has plenty of room.

    Args:
        state: The state folder.
    """
    path = state / RESERVE_FILE
    try:
        if not path.exists() and _free_bytes(state) >= _PLENTY * RESERVE_BYTES:
            _take(path)
    except OSError as error:
        log.warning("%s: no room is kept for a full disk (%s)", state, error.strerror)


def _free_bytes(state: Path) -> int:
    disk = os.statvfs(state)
    return disk.f_bavail * disk.f_frsize


def _take(path: Path) -> None:
    """Make the file, its blocks included."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    finally:
        os.close(descriptor)
