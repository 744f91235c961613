"""The outbox as uplink sees it: what goes next, what was acknowledged, what a receipt deletes.

Commits here are not flushed to disk one by one: what a power cut takes back is only sent again,
and the dashboard removes duplicates.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from edgeclip.contract.receipts import LAST_SEQ, Receipt
from edgeclip_device import database, space
from edgeclip_device.alarms import Alarms
from edgeclip_device.clock import SystemClock, WallClock
from edgeclip_device.database import ALERT, IN_FLIGHT, PRIORITIES, QUEUED
from edgeclip_device.due import DueTimes
from edgeclip_device.parts import Part
from edgeclip_device.power.schedule import REST, UNTIMED, Rest
from edgeclip_device.rows import MediaRow, Released, Row
from edgeclip_device.running import RUNNING, Running


class Backlog:
    """The outbox of one state folder, opened to work it off.

    Args:
        state: The state folder.
        clock: Says since when an alarm stands; None is the machine's.
        memory: A copy in memory to work on instead, where the disk fails.

    Raises:
        OutboxError: It is damaged or cannot be opened.
    """

    def __init__(
        self,
        state: Path,
        clock: WallClock | None = None,
        memory: sqlite3.Connection | None = None,
    ) -> None:
        self._state = state
        self._path = state / database.DATABASE_FILE
        self._connection = memory or database.open_database(state)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self.is_volatile = memory is not None
        """Whether it lies in memory."""
        self.released_seqs: list[int] = []
        self.released_media: list[str] = []
        """What was released of one that lies in memory."""
        clock = clock or SystemClock()
        clock.remember(self.anchor())
        self.alarms = Alarms(self._connection, clock)
        self._newest_old = 0
        self._inode = self._inode_now()
        self.epoch = str(database.read_meta(self._connection, "epoch"))
        self.book_epoch = str(uuid.uuid4()) if self.is_volatile else self.epoch
        """Of the log book: one in memory counts from 1 again."""
        self._due = DueTimes(self._connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """For those who keep tables of their own; used by the thread that opened it."""
        return self._connection

    def is_replaced(self) -> bool:
        """Say whether detect has set the file aside since it was opened here."""
        return self._inode_now() != self._inode

    def newest_old(self, boot_id: str, since_ns: int) -> int:
        """Return the number of the newest row that was not committed just now.

        Args:
            boot_id: Of this boot.
            since_ns: What was committed from then on, boot-time clock, is no old one.
        """
        rows = database.query(
            self._connection,
            "SELECT max(seq) FROM outbox WHERE seq > ? AND (boot_id != ? OR created_boot_ns < ?)",
            (self._newest_old, boot_id, since_ns),
        )
        self._newest_old = max(self._newest_old, rows[0][0] or 0)
        return self._newest_old

    def due_rows(
        self,
        most: int,
        now_ns: int,
        *,
        above: int = 0,
        upto: int = LAST_SEQ,
        alerts_only: bool = False,
    ) -> list[Row]:
        """Return the next detections: alerts first, then by age.

        Args:
            most: At most so many.
            now_ns: On the boot-time clock.
            above: Only rows with larger numbers.
            upto: Only rows up to this number.
            alerts_only: Only alerts that no broker has taken.
        """
        self._due.queue_rows(most, now_ns, refused_only=alerts_only)
        found: list[Row] = []
        for priority in [ALERT] if alerts_only else PRIORITIES:
            rows = database.query(
                self._connection,
                "SELECT seq, topic, payload, created_boot_ns, boot_id, attempts FROM outbox"
                " WHERE state = ? AND priority = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (QUEUED, priority, above, upto, most - len(found)),
            )
            found += [Row(*row) for row in rows]
        return found

    def due_media(self, most: int, now_ns: int) -> list[MediaRow]:
        """Return the next snapshots, by age; arguments as of `due_rows`."""
        self._due.queue_media(most, now_ns)
        rows = database.query(
            self._connection,
            "SELECT sha256, detection_id, n, path, attempts, size_bytes FROM media"
            " WHERE state = ? ORDER BY added, n LIMIT ?",
            (QUEUED, most),
        )
        folder = self._state / database.MEDIA_FOLDER
        return [MediaRow(a, b, c, folder / path, d, e) for a, b, c, path, d, e in rows]

    def mark_sent(self, seqs: Sequence[int], media: Sequence[str]) -> None:
        """Note that these were handed to the broker."""
        change = f"state = {IN_FLIGHT}, attempts = attempts + 1"
        with database.transaction(self._connection) as connection:
            connection.executemany(
                f"UPDATE outbox SET {change} WHERE seq = ?", [(seq,) for seq in seqs]
            )
            connection.executemany(
                f"UPDATE media SET {change} WHERE sha256 = ?", [(item,) for item in media]
            )

    def settle(
        self, key: int | str, *, acknowledged: bool, reason: str | None, next_try_ns: int
    ) -> None:
        """Note the broker's answer.

        Args:
            key: A row's number, or a snapshot's hash.
            acknowledged: Whether the broker took it.
            reason: Its words, where they are worth keeping.
            next_try_ns: When to send it again unless a receipt comes; boot-time clock.
        """
        self._due.settle(key, acknowledged=acknowledged, reason=reason, next_try_ns=next_try_ns)

    def connection_lost(self) -> None:
        """Make due at once what the broker had not answered."""
        self._due.connection_lost()

    def dashboard_is_back(self) -> None:
        """Make due at once what has no receipt yet."""
        self._due.begin_anew()

    def release(self, receipt: Receipt) -> Released:
        """Delete what a receipt of our epoch names, and nothing that was never sent.

        Args:
            receipt: Of any epoch; another's deletes nothing.
        """
        if receipt.epoch != self.epoch:
            return Released()
        ranges = [(0, receipt.received_upto), *receipt.ranges]
        with database.transaction(self._connection) as connection:
            seqs = [seq for first, last in ranges for seq in _delete_rows(connection, first, last)]
            refused = [
                (item.seq, item.reason)
                for item in receipt.refused
                if _delete_rows(connection, item.seq, item.seq)
            ]
            if refused:
                now = datetime.now(timezone.utc)
                database.count_dropped(connection, "refused", len(refused), now)
            media = [item for item in receipt.media if _delete_media(connection, item)]
        space.unlink(self._state / database.MEDIA_FOLDER, media)
        if self.is_volatile:
            self.released_seqs += [*seqs, *(seq for seq, _ in refused)]
            self.released_media += media
        return Released(seqs, media, refused)

    def forget(self, seqs: Sequence[int], media: Sequence[str]) -> None:
        """Delete what was released of a copy of this outbox."""
        with database.transaction(self._connection) as connection:
            connection.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])
            for item in media:
                _delete_media(connection, item)

    def parts_there(self, sha256: str, parts: int) -> set[int]:
        """Return which parts of a snapshot the broker has, when it goes in so many parts."""
        query = "SELECT part FROM media_parts WHERE sha256 = ? AND parts = ?"
        return {row[0] for row in database.query(self._connection, query, (sha256, parts))}

    def part_is_there(self, part: Part) -> None:
        """Note that the broker has a part: it is not sent again after a broken connection."""
        with database.transaction(self._connection) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO media_parts VALUES (?, ?, ?)",
                (part.sha256, part.parts, part.part),
            )

    def forget_parts(self, sha256: str) -> None:
        """Forget which parts the broker has."""
        with database.transaction(self._connection) as connection:
            connection.execute("DELETE FROM media_parts WHERE sha256 = ?", (sha256,))

    def note(self, key: str, value: str) -> None:
        """Keep a value in `meta`."""
        with database.transaction(self._connection) as connection:
            database.write_meta(connection, key, value)

    def rest_and_hours(self) -> tuple[Rest | None, str]:
        """Return why the camera rests, None while it works; and why its hours are not kept."""
        return Rest.from_json(self.noted(REST)), self.noted(UNTIMED) or ""

    def noted(self, key: str) -> str | None:
        """Return a value of `meta`."""
        return database.read_meta(self._connection, key)

    def newest_alert(self) -> int:
        """Return the number of the newest alert that was not sent yet; 0 where there is none."""
        query = "SELECT max(seq) FROM outbox WHERE state = ? AND priority > 1 AND attempts = 0"
        return int(database.query(self._connection, query, (QUEUED,))[0][0] or 0)

    def dropped(self) -> dict[str, int]:
        """Return what was dropped so far, by kind."""
        return dict(database.query(self._connection, "SELECT kind, count FROM dropped"))

    def media_is_gone(self, sha256: str) -> None:
        """Forget a snapshot whose file is missing, and count it."""
        with database.transaction(self._connection) as connection:
            if _delete_media(connection, sha256):
                now = datetime.now(timezone.utc)
                database.count_dropped(connection, "media_missing", 1, now)

    def next_bdseq(self) -> int:
        """Return a number that grows with every connection, also over restarts."""
        with database.transaction(self._connection) as connection:
            bdseq = int(database.read_meta(connection, database.NEXT_BDSEQ) or 1)
            database.write_meta(connection, database.NEXT_BDSEQ, str(bdseq + 1))
        return bdseq

    def running(self) -> Running | None:
        """Return what detect runs; None where it has not run yet."""
        return Running.from_json(database.read_meta(self._connection, RUNNING))

    def anchor(self) -> datetime | None:
        """Return the last wall time that was believed, or None."""
        text = self.noted("anchor")
        return datetime.fromisoformat(text) if text else None

    def waiting(self) -> tuple[int, int]:
        """Return how many detections and how many snapshots have no receipt yet."""
        return database.count_waiting(self._connection)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _inode_now(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except OSError:
            return None


def _delete_rows(connection: sqlite3.Connection, first: int, last: int) -> list[int]:
    rows = connection.execute(
        "DELETE FROM outbox WHERE seq BETWEEN ? AND ? AND attempts > 0 RETURNING seq",
        (first, last),
    )
    return sorted(row[0] for row in rows)


def _delete_media(connection: sqlite3.Connection, sha256: str) -> bool:
    connection.execute("DELETE FROM media_parts WHERE sha256 = ?", (sha256,))
    cursor = connection.execute("DELETE FROM media WHERE sha256 = ?", (sha256,))
    return cursor.rowcount > 0
