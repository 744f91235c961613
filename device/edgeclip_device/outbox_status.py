"""What waits in an outbox, without touching it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edgeclip.errors import OutboxError
from edgeclip_device import database


@dataclass(frozen=True)
class Dropped:
    """How much of one kind was dropped, and when."""

    kind: str
    count: int
    first_at: str
    last_at: str


@dataclass(frozen=True)
class OutboxStatus:
    """What an outbox holds.

    Attributes:
        rows: Detections without receipt.
        oldest_at: When the oldest of them was committed; None where there is none.
        refused: Detections that the broker refused at the last try, with its words.
        media: Snapshots without receipt.
        open_visits: Visits that have not ended.
    """

    epoch: str
    rows: int
    oldest_at: str | None
    refused: dict[str, int]
    media: int
    media_bytes: int
    open_visits: int
    dropped: list[Dropped]


def read_status(state: Path) -> OutboxStatus:
    """Return what the outbox of a state folder holds.

    Raises:
        OutboxError: There is none, or it cannot be read.
    """
    path = state / database.DATABASE_FILE
    if not path.is_file():
        raise OutboxError(f"{state} holds no outbox: name the state folder of detect with --state")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
            return _read(connection)
    except sqlite3.Error as error:
        raise OutboxError(
            f"{path} cannot be read ({error}): if it is damaged, detect sets it aside at its start"
        ) from error


def _read(connection: sqlite3.Connection) -> OutboxStatus:
    rows, oldest_at = connection.execute("SELECT count(*), min(created_at) FROM outbox").fetchone()
    media, media_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM media"
    ).fetchone()
    refused = connection.execute(
        "SELECT reason, count(*) FROM outbox WHERE reason IS NOT NULL GROUP BY reason"
    )
    dropped = connection.execute("SELECT kind, count, first_at, last_at FROM dropped ORDER BY kind")
    return OutboxStatus(
        epoch=database.read_meta(connection, "epoch") or "",
        rows=rows,
        oldest_at=oldest_at,
        refused=dict(refused.fetchall()),
        media=media,
        media_bytes=media_bytes,
        open_visits=connection.execute("SELECT count(*) FROM visits").fetchone()[0],
        dropped=[Dropped(*row) for row in dropped],
    )
