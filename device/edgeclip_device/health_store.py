"""Health that could not be sent: one row an hour is kept in the outbox's database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edgeclip.errors import OutboxError
from edgeclip_device import database

_MOST_ROWS = 14 * 24
_TABLE = "CREATE TABLE IF NOT EXISTS health (hour TEXT PRIMARY KEY, payload BLOB NOT NULL)"


class HealthStore:
    """The kept rows of one state folder; a connection is opened for each use, which is rare.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state

    def keep(self, hour: str, payload: bytes) -> None:
        """Keep a row in place of an earlier one of the same hour; the oldest of 14 days goes.

        Raises:
            OutboxError: It could not be written.
        """
        with closing(self._open()) as connection, database.transaction(connection):
            connection.execute(_TABLE)
            connection.execute("INSERT OR REPLACE INTO health VALUES (?, ?)", (hour, payload))
            connection.execute(
                "DELETE FROM health WHERE rowid NOT IN"
                " (SELECT rowid FROM health ORDER BY rowid DESC LIMIT ?)",
                (_MOST_ROWS,),
            )

    def oldest(self, most: int) -> list[tuple[str, bytes]]:
        """Return hour and payload of the rows that were kept first.

        Raises:
            OutboxError: They could not be read.
        """
        with closing(self._open()) as connection:
            connection.execute(_TABLE)
            rows = database.query(
                connection, "SELECT hour, payload FROM health ORDER BY rowid LIMIT ?", (most,)
            )
        return [(str(hour), bytes(payload)) for hour, payload in rows]

    def forget(self, hours: list[str]) -> None:
        """Delete rows that were sent.

        Raises:
            OutboxError: They could not be deleted.
        """
        with closing(self._open()) as connection, database.transaction(connection):
            connection.executemany("DELETE FROM health WHERE hour = ?", [(h,) for h in hours])

    def _open(self) -> sqlite3.Connection:
        try:
            connection = database.open_database(self._state)
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            raise OutboxError(f"the outbox of {self._state} cannot be opened ({error})") from error
        return connection
