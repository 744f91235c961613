"""An outbox copied into memory, as far as it can be read and as far as there is room."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from edgeclip_device import database

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 32_000_000  # of rows; the uplink's unit has 512 MB
_CHUNK: Final = 200
_WORDS = "SELECT * FROM {}"
_TABLES: Final = {
    "meta": _WORDS,
    "retained": _WORDS,
    "dropped": _WORDS,
    "letters": _WORDS,
    "commands": "SELECT * FROM {} WHERE verdict NOT IN ('accepted', 'receiving')",
    "media_parts": _WORDS,
    "media": "SELECT * FROM {} ORDER BY added LIMIT 10000",
    "outbox": "SELECT * FROM {} ORDER BY priority DESC, seq",
}
"""What is taken, in this order. Not the log book, whose numbers must not come twice."""


def copied(path: Path) -> sqlite3.Connection:
    """Return an outbox in memory with what can be read of one on a disk: nothing, at the worst.

    Args:
        path: The database's file.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None)
    database.prepare(memory)
    for how in ("mode=ro", "immutable=1"):  # the second for want of SQLite's log beside it
        try:
            uri = f"file:{quote(str(path.absolute()))}?{how}"
            with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as disk:
                disk.execute("SELECT count(*) FROM sqlite_master").fetchone()
                for table, statement in _TABLES.items():
                    _copy(disk, memory, table, statement.format(table))
        except sqlite3.Error as error:
            log.error("%s cannot be read with %s: %s", path, how, error)
        else:
            break
    return memory


def _copy(disk: sqlite3.Connection, memory: sqlite3.Connection, table: str, query: str) -> None:
    """Copy a table up to what cannot be read of it."""
    size = 0
    try:
        rows = disk.execute(query)
        names = [column[0] for column in rows.description]
        ours = {row[1] for row in memory.execute(f"PRAGMA table_info({table})")}
        marks = ", ".join("?" for _ in names)
        insert = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})"
        while size < _MOST_BYTES and ours.issuperset(names) and (some := rows.fetchmany(_CHUNK)):
            memory.executemany(insert, some)
            size += sum(len(item) for row in some for item in row if isinstance(item, bytes))
    except sqlite3.Error as error:
        log.error("the table %s cannot be read to its end (%s)", table, error)
