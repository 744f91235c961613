"""The outbox's caps: media go first, then updates, then routine detections, alerts last.

Nothing is dropped in silence: each kind is counted in the table `dropped`, and logged.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from edgeclip_device import database
from edgeclip_device.config import OutboxSettings

log = logging.getLogger(__name__)

_MEDIA_AT_A_TIME = 20  # dropped together when the disk is full
_DROP_ORDER = "CASE kind WHEN 'update' THEN 0 ELSE priority END, seq"


def keep_caps(connection: sqlite3.Connection, settings: OutboxSettings, now: datetime) -> list[str]:
    """Drop what exceeds the caps, in the caller's transaction.

    Args:
        connection: Of the outbox.
        settings: The caps.
        now: Written beside the counts.

    Returns:
        Hashes of the media files that have no row any more, to unlink after the commit.
    """
    limit = settings.max_mb * 1_000_000
    doomed = _media_beyond(connection, limit)
    forget_media(connection, doomed, now)
    _drop_rows(connection, settings.max_rows, limit, now)
    return doomed


def oldest_media(connection: sqlite3.Connection, skip: int = 0) -> list[str]:
    """Return the hashes of the oldest media.

    Args:
        connection: Of the outbox.
        skip: How many of the very oldest to pass over.
    """
    query = "SELECT sha256 FROM media ORDER BY added, sha256 LIMIT ? OFFSET ?"
    return [row[0] for row in connection.execute(query, (_MEDIA_AT_A_TIME, skip))]


def forget_media(connection: sqlite3.Connection, hashes: Sequence[str], now: datetime) -> None:
    """Delete and count the rows of dropped media, in the caller's transaction."""
    if hashes:
        gone = [(item,) for item in hashes]
        connection.executemany("DELETE FROM media_parts WHERE sha256 = ?", gone)
        connection.executemany("DELETE FROM media WHERE sha256 = ?", gone)
        database.count_dropped(connection, "media", len(hashes), now)
        log.error("the outbox is full: %d media dropped; clear the way to the broker", len(hashes))


def unlink(folder: Path, hashes: Iterable[str]) -> None:
    """Remove media files; one that is gone already is no error, nor is a disk that fails."""
    for item in hashes:
        try:
            (folder / f"{item}.jpg").unlink(missing_ok=True)
        except OSError as error:  # it has no row any more: the next start of detect removes it
            log.error("%s.jpg cannot be removed: %s", item, error)


def remove_orphans(connection: sqlite3.Connection, folder: Path) -> None:
    """Remove media files without a row: a kill came between file and commit."""
    if not folder.is_dir():
        return
    known = {row[0] for row in connection.execute("SELECT path FROM media")}
    for path in folder.iterdir():
        if path.is_file() and path.name not in known:
            path.unlink()


def _media_beyond(connection: sqlite3.Connection, limit: int) -> list[str]:
    surplus = _size_bytes(connection, "media") + _size_bytes(connection, "outbox") - limit
    doomed = []
    rows = connection.execute("SELECT sha256, size_bytes FROM media ORDER BY added")
    for sha256, size_bytes in rows:
        if surplus <= 0:
            break
        doomed.append(sha256)
        surplus -= size_bytes
    return doomed


def _drop_rows(
    connection: sqlite3.Connection, most_rows: int, most_bytes: int, now: datetime
) -> None:
    """Drop the least important rows while there are too many, or too many bytes."""
    count = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
    size = _size_bytes(connection, "outbox")
    while count > most_rows or size > most_bytes:
        query = f"SELECT seq, kind, priority, size_bytes FROM outbox ORDER BY {_DROP_ORDER} LIMIT 1"
        seq, kind, priority, size_bytes = connection.execute(query).fetchone()
        name = kind if kind == "update" else ("alert" if priority > 1 else "routine")
        connection.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
        database.count_dropped(connection, name, 1, now)
        log.error("the outbox is full: row %d (%s) dropped; clear the way to the broker", seq, name)
        count, size = count - 1, size - size_bytes


def _size_bytes(connection: sqlite3.Connection, table: str) -> int:
    query = f"SELECT coalesce(sum(size_bytes), 0) FROM {table}"
    return int(connection.execute(query).fetchone()[0])
