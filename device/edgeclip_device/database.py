"""The outbox's database file: its tables, how it is opened, and what happens if it is damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from edgeclip.errors import OutboxError
from edgeclip_device.tables import (
    ADDED_COLUMNS,
    ADDED_INDEXES,
    ADDED_TABLES,
    SCHEMA_VERSION,
    TABLES,
)

log = logging.getLogger(__name__)

DATABASE_FILE = "outbox.sqlite"
MEDIA_FOLDER = "media"
NEXT_BDSEQ = "next_bdseq"  # key in `meta`
BUSY_S = 5.0
_LOCKED_PAUSE_S = 0.02
_LOG_PAGES = 128  # 0.5 MB: on a full disk SQLite must find room to work its log off

_MOST_LOG_BYTES = 4_000_000  # what a burst made it grow to is given back

# state of a row: 0 queued, 1 in flight, 2 acknowledged by the broker, 4 refused by it or passed
# over for a while. A receipt deletes the row.
QUEUED, IN_FLIGHT, ACKNOWLEDGED, REFUSED = 0, 1, 2, 4
PRIORITIES = ALERT, ROUTINE = 2, 1


def open_database(state: Path) -> sqlite3.Connection:
    """Return a connection to a state folder's database, which is made if it is missing.

    Args:
        state: The state folder, made if missing.

    Raises:
        OutboxError: It is damaged, of another version, or cannot be read and written.
    """
    path = state / DATABASE_FILE
    try:
        state.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
    except (OSError, sqlite3.Error) as error:
        raise OutboxError(
            f"{path} cannot be opened ({error}): check the folder's rights, its space, and that"
            " detect has set a damaged one aside"
        ) from error
    try:
        _check_version(connection, path)
    except OutboxError:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block in one transaction that takes the write lock at its start.

    Raises:
        OutboxError: The database cannot be written; nothing of the block is kept.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.rollback()
        raise OutboxError(
            f"the outbox cannot be written ({error}): check the disk's space and rights"
        ) from error


def query(
    connection: sqlite3.Connection, statement: str, values: Sequence[int | str] = ()
) -> list[tuple[Any, ...]]:
    """Return all rows that a statement gives.

    Raises:
        OutboxError: The database cannot be read.
    """
    try:
        return connection.execute(statement, values).fetchall()
    except sqlite3.Error as error:
        raise OutboxError(
            f"the outbox cannot be read ({error}): restart detect, which sets a damaged one aside"
        ) from error


def read_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a value of the table `meta`, or None."""
    rows = query(connection, "SELECT value FROM meta WHERE key = ?", (key,))
    return str(rows[0][0]) if rows else None


def write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a value of the table `meta`, in the caller's transaction."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def count_dropped(connection: sqlite3.Connection, kind: str, count: int, at: datetime) -> None:
    """Count what was dropped, in the caller's transaction."""
    connection.execute(
        "INSERT INTO dropped VALUES (?1, ?2, ?3, ?3) ON CONFLICT (kind)"
        " DO UPDATE SET count = count + ?2, last_at = ?3",
        (kind, count, at.isoformat()),
    )


def keep_retained(connection: sqlite3.Connection, name: str, payload: bytes) -> None:
    """Set what the broker shall retain, in the caller's transaction; the uplink tells it.

    Args:
        connection: Of the outbox.
        name: The topic below `up/`.
        payload: Empty takes the message away.
    """
    connection.execute("INSERT OR REPLACE INTO retained VALUES (?, ?)", (name, payload))


def read_retained(connection: sqlite3.Connection) -> dict[str, bytes]:
    """Return what the broker shall retain, by the topic below `up/`."""
    return {name: bytes(data) for name, data in query(connection, "SELECT * FROM retained")}


def is_full(error: OutboxError) -> bool:
    """Say whether an error is for want of space."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and "full" in str(cause)


def is_busy(error: OutboxError) -> bool:
    """Say whether another process held the write lock for too long."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause)


def is_damage(error: OutboxError) -> bool:
    """Say whether what is in the file is no database, or not a whole one."""
    return type(error.__cause__) is sqlite3.DatabaseError  # those below it are of other causes


def shrink_log(connection: sqlite3.Connection) -> None:
    """Move what is committed from SQLite's log into the file, so that the log gives space back."""
    query(connection, "PRAGMA wal_checkpoint(TRUNCATE)")


def count_waiting(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many detections and how many snapshots have no receipt yet."""
    counts = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM media)"
    rows, media = query(connection, counts)[0]
    return int(rows), int(media)


def _connect(path: Path) -> sqlite3.Connection:
    _make_file(path)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _use_log(connection)
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_MOST_LOG_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        prepare(connection)
    except (sqlite3.Error, OutboxError):
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    """Let SQLite keep a write-ahead log; it waits for no lock here, so two first starts collide."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_LOCKED_PAUSE_S)
        else:
            return


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables that a database lacks.

    Raises:
        sqlite3.Error: It cannot be read.
        OutboxError: It cannot be written.
    """
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        _create(connection)
    _add_tables(connection)


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables; two processes may try at once, and one of them finds them made."""
    with transaction(connection):
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return
        for statement in TABLES:
            connection.execute(statement)
        write_meta(connection, "schema", SCHEMA_VERSION)
        write_meta(connection, "epoch", str(uuid.uuid4()))
        write_meta(connection, NEXT_BDSEQ, "1")


def _add_tables(connection: sqlite3.Connection) -> None:
    added = {**ADDED_TABLES, **ADDED_INDEXES}
    if added.keys() <= _known(connection):
        return
    with transaction(connection):
        for table, column in ADDED_COLUMNS.items():
            columns = connection.execute(f"SELECT name FROM pragma_table_info('{table}')")
            if column.split()[0] not in {row[0] for row in columns}:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        for name in added.keys() - _known(connection):
            connection.execute(added[name])


def _known(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def _make_file(path: Path) -> None:
    """Make an empty file that the group may write: SQLite gives its own files the same rights.

    detect and uplink run as two users of one group. A file that is there is not even opened: to
    close it would drop the locks of every connection that this process has to it, and another
    process could then take SQLite's log away under them.
    """
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660)
        os.fchmod(descriptor, 0o660)  # also where root makes it, with a umask of its own
        os.close(descriptor)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = read_meta(connection, "schema")
    if found != SCHEMA_VERSION:
        raise OutboxError(
            f"{path} has version {found}, this software has {SCHEMA_VERSION}: use the software"
            " that made it, or move the file aside"
        )
