"""Messages that need no receipt but the broker's: kept on disk until it has them."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable

from pydantic import ValidationError

from edgeclip.contract.logbook import LONGEST_TEXT, MOST_ENTRIES, EntryKind, Log, LogEntry
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device import database
from edgeclip_device.clock import WallClock, believed, boot_id
from edgeclip_device.events import Answered
from edgeclip_device.publisher import Publisher

log = logging.getLogger(__name__)

_MOST_LETTERS = 500
_MOST_KEPT_ENTRIES = 2000
_MOST_IN_FLIGHT = 5
_GROUP_S = 10.0  # entries of the log book wait so long for others
_REFUSED = 0x80


def post(
    connection: sqlite3.Connection, topic: str, payload: bytes, expiry_s: int | None = None
) -> None:
    """Put a message on its way, in the caller's transaction; of too many the oldest go."""
    connection.execute(
        "INSERT INTO letters (topic, payload, expiry_s) VALUES (?, ?, ?)",
        (topic, payload, expiry_s),
    )
    connection.execute(
        "DELETE FROM letters WHERE id <= (SELECT max(id) FROM letters) - ?", (_MOST_LETTERS,)
    )


def note_entry(
    connection: sqlite3.Connection, clock: WallClock, kind: EntryKind, text: str
) -> None:
    """Write into the log book, in the caller's transaction; of too many the oldest go."""
    at = believed(clock.now(), clock.not_before)
    stamp = at.isoformat() if at else None
    connection.execute(
        "INSERT INTO logbook (at, boot_id, boot_ns, kind, text) VALUES (?, ?, ?, ?, ?)",
        (stamp, boot_id(), clock.boot_ns(), kind, " ".join(text.split())[:LONGEST_TEXT]),
    )
    connection.execute(
        "DELETE FROM logbook WHERE n <= (SELECT max(n) FROM logbook) - ?", (_MOST_KEPT_ENTRIES,)
    )


class Postman:
    """Publishes letters, and the log book in groups.

    Args:
        connection: Of the outbox.
        epoch: Of the outbox.
        topics: Of this device.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        epoch: str,
        topics: DeviceTopics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._epoch = epoch
        self._topics = topics
        self._monotonic = monotonic
        self._in_flight: dict[int, tuple[str, int]] = {}
        self._book_at = monotonic()
        self._book_waits = False

    def on_connect(self) -> None:
        """Send again what the last broker had not acknowledged."""
        self._in_flight.clear()
        self._book_waits = False

    def fill(self, link: Publisher) -> None:
        """Publish what waits, as far as there is room in flight.

        Raises:
            PublishError: The connection broke.
        """
        under_way = {number for table, number in self._in_flight.values() if table == "letters"}
        query = "SELECT id, topic, payload, expiry_s FROM letters ORDER BY id LIMIT ?"
        for number, topic, payload, expiry_s in database.query(
            self._connection, query, (_MOST_IN_FLIGHT,)
        ):
            if number not in under_way and len(self._in_flight) < _MOST_IN_FLIGHT:
                mid = link.publish(topic, bytes(payload), expiry_s=expiry_s)
                self._in_flight[mid] = "letters", number
        self._send_book(link)

    def on_answer(self, answer: Answered) -> None:
        """Take in a PUBACK; numbers of other messages are passed over."""
        table, number = self._in_flight.pop(answer.mid, ("", 0))
        if not table:
            return
        if answer.code >= _REFUSED:
            log.error("the broker refuses a message of %s: %s", table, answer.reason)
            if table == "logbook":  # kept for a broker that takes it
                self._book_waits = True
                return
        column = "id" if table == "letters" else "n"
        sign = "=" if table == "letters" else "<="
        with database.transaction(self._connection) as connection:
            connection.execute(f"DELETE FROM {table} WHERE {column} {sign} ?", (number,))

    def _send_book(self, link: Publisher) -> None:
        busy = any(table == "logbook" for table, _ in self._in_flight.values())
        if busy or self._book_waits or self._monotonic() - self._book_at < _GROUP_S:
            return
        self._book_at = self._monotonic()
        query = "SELECT n, at, boot_id, boot_ns, kind, text FROM logbook ORDER BY n LIMIT ?"
        rows = database.query(self._connection, query, (MOST_ENTRIES,))
        if not rows:
            return
        names = ("n", "at", "boot_id", "boot_ns", "kind", "text")
        entries = [entry for row in rows if (entry := _entry(dict(zip(names, row, strict=True))))]
        if not entries:
            with database.transaction(self._connection) as connection:
                connection.execute("DELETE FROM logbook WHERE n <= ?", (rows[-1][0],))
        else:
            book = Log(device_id=self._topics.device_id, epoch=self._epoch, entries=entries)
            self._in_flight[link.publish(self._topics.log, book.to_json())] = "logbook", rows[-1][0]


def _entry(row: dict[str, object]) -> LogEntry | None:
    try:
        return LogEntry.model_validate(row)
    except ValidationError:  # of another version of this software
        return None
