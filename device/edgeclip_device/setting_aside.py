"""Whether an outbox's database is damaged, and how it is set aside: by detect, at its start."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from edgeclip.contract.files import sync_folder, write_text
from edgeclip.errors import OutboxError
from edgeclip_device.damaged import DAMAGED, remove_damaged
from edgeclip_device.database import BUSY_S, DATABASE_FILE, MEDIA_FOLDER

log = logging.getLogger(__name__)

_COUNT_FILE: Final = "outbox.disk-errors"
_MOST_STARTS: Final = 3  # with errors of the disk: a bad sector does not become a good one
_LEAST_FREE_BYTES: Final = 1_000_000  # with less, SQLite's error is for want of space


def set_aside_if_damaged(state: Path) -> Path | None:
    """Rename a database that SQLite finds damaged, and the media that it names.

    Only the process that writes detections may call this: another one could rename a file that
    is being written.

    Args:
        state: The state folder.

    Returns:
        The database's new name, or None if it is whole.

    Raises:
        OutboxError: It cannot be read. At the third start in a row at which the disk gives an
            error, and not for want of space, it counts as damaged.
    """
    path = state / DATABASE_FILE
    if not path.exists() or (reason := _damage(path)) is None:
        return None
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
    aside = state / f"{DATABASE_FILE}{DAMAGED}{stamp}"
    remove_damaged(state)
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    if (state / MEDIA_FOLDER).is_dir():
        (state / MEDIA_FOLDER).replace(state / f"{MEDIA_FOLDER}{DAMAGED}{stamp}")
    (state / _COUNT_FILE).unlink(missing_ok=True)
    sync_folder(state)
    log.error(
        "the outbox was damaged (%s): it now lies at %s, and a new one begins; what the dashboard"
        " had not received is in that file alone",
        reason,
        aside,
    )
    return aside


def _damage(path: Path) -> str | None:
    """Return what is wrong with a database, or None; compares its indexes with its tables, too."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:  # locked, unreadable: no damage
        if "disk I/O error" in str(error) and _count_error(path.parent) >= _MOST_STARTS:
            return f"{error} at {_MOST_STARTS} starts"
        raise OutboxError(f"{path} cannot be read ({error}): check its rights, the disk") from error
    except sqlite3.DatabaseError as error:
        return str(error)
    if found != "ok":
        return found
    with suppress(OSError):  # of a disk that is read-only
        (path.parent / _COUNT_FILE).unlink(missing_ok=True)
    return None


def _count_error(state: Path) -> int:
    """Return at how many starts in a row the disk gave an error; 0 where it is full or locked."""
    path = state / _COUNT_FILE
    disk = os.statvfs(state)
    if disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES:
        return 0
    try:
        count = int(path.read_text()) + 1 if path.is_file() else 1
        write_text(path, f"{count}\n")
    except (OSError, ValueError) as error:
        log.error("%s cannot be kept: %s", path, error)
        return 0
    return count
