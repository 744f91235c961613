"""Messages that need no receipt but the broker's: kept on disk until it has them."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timezone

from pydantic import ValidationError

from edgeclip.contract.commands import Reply
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
_ENOUGH = 1 << 28  # what MQTT itself allows
_GROUP_S = 10.0  # entries of the log book wait so long for others
_REFUSED = 0x80


def post(
    connection: sqlite3.Connection, topic: str, payload: bytes, expiry_s: int | None = None
) -> None:
    """Put a message on its way, in the caller's transaction.

    Of too many the oldest go, and are counted; a clock's fix is one a boot, and stays.
    """
    connection.execute(
        "INSERT INTO letters (topic, payload, expiry_s) VALUES (?, ?, ?)",
        (topic, payload, expiry_s),
    )
    gone = connection.execute(
        "DELETE FROM letters WHERE id <= (SELECT max(id) FROM letters) - ?"
        " AND topic NOT LIKE '%/up/clockfix'",
        (_MOST_LETTERS,),
    )
    if gone.rowcount > 0:
        database.count_dropped(connection, "letters", gone.rowcount, datetime.now(timezone.utc))


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
        self._most_bytes = _ENOUGH

    def on_connect(self, most_bytes: int | None = None) -> None:
        """Send again what the last broker had not acknowledged.

        Args:
            most_bytes: How large a payload this broker takes; None where it does not say.
        """
        self._most_bytes = _ENOUGH if most_bytes is None else most_bytes
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
                said = shortened(bytes(payload), self._most_bytes)
                if said is None:
                    self._give_up(number, topic)
                    continue
                mid = link.publish(topic, said, expiry_s=expiry_s)
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
            return
        while len(said := self._book(entries)) > self._most_bytes and len(entries) > 1:
            entries = entries[: len(entries) // 2]
            self._book_at -= _GROUP_S  # the rest follows at once
        self._in_flight[link.publish(self._topics.log, said)] = "logbook", entries[-1].n

    def _book(self, entries: list[LogEntry]) -> bytes:
        return Log(device_id=self._topics.device_id, epoch=self._epoch, entries=entries).to_json()

    def _give_up(self, number: int, topic: str) -> None:
        log.error("a letter on %s is larger than this broker takes: it is dropped", topic)
        with database.transaction(self._connection) as connection:
            connection.execute("DELETE FROM letters WHERE id = ?", (number,))
            database.count_dropped(connection, "letters", 1, datetime.now(timezone.utc))


def shortened(payload: bytes, most_bytes: int) -> bytes | None:
    """Return a message that the broker takes; a reply without its data where it has to be.

    Args:
        payload: A letter.
        most_bytes: How large a payload the broker takes.

    Returns:
        None where it cannot be made small enough.
    """
    if len(payload) <= most_bytes:
        return payload
    try:
        reply = Reply.model_validate_json(payload)
    except ValidationError:
        return None
    reason = f"the answer of {len(payload)} bytes is larger than this broker takes ({most_bytes})"
    short = reply.model_copy(update={"state": "failed", "data": {}, "reason": reason})
    said = short.to_json()
    return said if len(said) <= most_bytes else None


def _entry(row: dict[str, object]) -> LogEntry | None:
    try:
        return LogEntry.model_validate(row)
    except ValidationError:  # of another version of this software
        return None
