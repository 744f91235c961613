"""Health that could not be sent: one row an hour is kept in the outbox's database."""

from __future__ import annotations

import sqlite3

from edgeclip_device import database

_MOST_ROWS = 14 * 24
_TABLE = "CREATE TABLE IF NOT EXISTS health (hour TEXT PRIMARY KEY, payload BLOB NOT NULL)"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'health'"


class HealthStore:
    """The kept rows of one outbox.

    Args:
        connection: Of the outbox.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def keep(self, hour: str, payload: bytes) -> None:
        """Keep a row in place of an earlier one of the same hour; the oldest of 14 days goes.

        Raises:
            OutboxError: It could not be written.
        """
        with database.transaction(self._connection) as connection:
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
        if not database.query(self._connection, _IS_THERE):
            return []
        query = "SELECT hour, payload FROM health ORDER BY rowid LIMIT ?"
        rows = database.query(self._connection, query, (most,))
        return [(str(hour), bytes(payload)) for hour, payload in rows]

    def forget(self, hours: list[str]) -> None:
        """Delete rows that were sent.

        Raises:
            OutboxError: They could not be deleted.
        """
        with database.transaction(self._connection) as connection:
            connection.executemany("DELETE FROM health WHERE hour = ?", [(h,) for h in hours])
