"""When rows and snapshots are due: at once, at their time, or because what was told is void.

What waits for a receipt carries the era in which the broker took it. A dashboard that comes back, a
broker that forgot and a new process begin another era, and what is of an older one is due: that
costs one small write, where marking 100,000 rows would lock detect out for seconds. What is due
becomes queued again a few rows at a time, as there is room for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from edgeclip_device import database
from edgeclip_device.database import ACKNOWLEDGED, IN_FLIGHT, PRIORITIES, QUEUED, REFUSED
from edgeclip_device.tables import WAITING

_ERA = "due_era"  # key in `meta`
_TABLES = {"outbox": "seq", "media": "sha256"}
_EACH_PRIORITY = [("AND priority = ?", (priority,)) for priority in PRIORITIES]


class DueTimes:
    """Keeps what waits, and lets it be due.

    Args:
        connection: Of the outbox; a new process makes all due.

    Raises:
        OutboxError: The outbox cannot be written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._era = self._first_era = int(database.read_meta(connection, _ERA) or 0)
        self.begin_anew()
        # also of what a broker refused: its next try stands on the clock of a boot that may be over
        self._first_era = self._era
        self.connection_lost()

    def begin_anew(self) -> None:
        """Make due at once what a broker took and what has no receipt yet."""
        self._era += 1
        with database.transaction(self._connection) as connection:
            database.write_meta(connection, _ERA, str(self._era))

    def connection_lost(self) -> None:
        """Make due at once what the broker had not answered."""
        with database.transaction(self._connection) as connection:
            for table in _TABLES:
                connection.execute(
                    f"UPDATE {table} SET state = ? WHERE state = ?", (QUEUED, IN_FLIGHT)
                )

    def settle(
        self, key: int | str, *, acknowledged: bool, reason: str | None, next_try_ns: int
    ) -> None:
        """Note the broker's answer; see `Backlog.settle`."""
        table = "outbox" if isinstance(key, int) else "media"
        state, era = (ACKNOWLEDGED, self._era) if acknowledged else (REFUSED, self._first_era)
        with database.transaction(self._connection) as connection:
            connection.execute(
                f"UPDATE {table} SET state = ?, era = ?, reason = ?, next_try_ns = ?"
                f" WHERE {_TABLES[table]} = ?",
                (state, era, reason, next_try_ns, key),
            )

    def queue_rows(self, most: int, now_ns: int, *, refused_only: bool = False) -> None:
        """Queue rows whose time has come, alerts first; most at most.

        Args:
            most: At most so many.
            now_ns: On the boot-time clock.
            refused_only: Nothing that the broker has taken.
        """
        keys: list[Any] = []
        for narrow in _EACH_PRIORITY:
            keys += self._overdue("outbox", most - len(keys), now_ns, narrow, refused_only)
        self._queue("outbox", keys)

    def queue_media(self, most: int, now_ns: int) -> None:
        """Queue snapshots whose time has come; arguments as of `queue_rows`."""
        self._queue("media", self._overdue("media", most, now_ns, ("", ()), refused_only=False))

    def _overdue(
        self,
        table: str,
        most: int,
        now_ns: int,
        narrow: tuple[str, tuple[int, ...]],
        refused_only: bool,
    ) -> list[Any]:
        where, values = narrow
        known = {REFUSED: self._first_era}
        if not refused_only:
            known[ACKNOWLEDGED] = self._era
        found: list[Any] = []
        for state, era in known.items():
            start = f"SELECT {_TABLES[table]} FROM {table} WHERE {WAITING} AND state = ? {where}"
            for time, limits in (
                ("AND era < ? ORDER BY era, next_try_ns LIMIT ?", (era,)),
                ("AND era = ? AND next_try_ns <= ? ORDER BY next_try_ns LIMIT ?", (era, now_ns)),
            ):
                left = most - len(found)
                if left > 0:
                    parameters = (state, *values, *limits, left)
                    rows = database.query(self._connection, f"{start} {time}", parameters)
                    found += [row[0] for row in rows]
        return found

    def _queue(self, table: str, keys: Sequence[Any]) -> None:
        if not keys:
            return
        with database.transaction(self._connection) as connection:
            connection.executemany(
                f"UPDATE {table} SET state = {QUEUED}, next_try_ns = 0 WHERE {_TABLES[table]} = ?",
                [(key,) for key in keys],
            )
