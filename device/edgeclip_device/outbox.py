"""The outbox as detect sees it: a detection is on disk when `emit` returns.

SQLite in WAL mode with full synchronisation; one writer, short transactions. Media lie beside the
database as files, written and flushed before the row that names them.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from edgeclip.contract.detection import Detection
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import OutboxError
from edgeclip_device import database, media, space, writing
from edgeclip_device.alarms import Alarms
from edgeclip_device.clock import WallClock, boot_id, may_be_anchor
from edgeclip_device.config import OutboxSettings
from edgeclip_device.damaged import caps_beside_damaged
from edgeclip_device.reserve import keep_reserve, use_reserve
from edgeclip_device.setting_aside import set_aside_if_damaged
from edgeclip_device.writing import Attachment

__all__ = ["Attachment", "Outbox"]

log = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PRIORITY = {"alert": database.ALERT, "routine": database.ROUTINE}
_PATIENCE = 5  # further waits for the write lock: shorter in all than the watchdog's minute


class Outbox:
    """The outbox of one state folder, opened to write detections.

    A damaged database is set aside first, and a new epoch begins.

    Args:
        state: The state folder.
        settings: Caps.
        clock: Gives the times that are written beside the rows.

    Raises:
        OutboxError: It cannot be opened.
    """

    def __init__(self, state: Path, settings: OutboxSettings, clock: WallClock) -> None:
        self._state = state
        self._clock = clock
        self._boot_id = boot_id()
        use_reserve(state)
        aside = set_aside_if_damaged(state)
        self._connection = database.open_database(state)
        keep_reserve(state)
        self.epoch = str(database.read_meta(self._connection, "epoch"))
        clock.remember(self.anchor())
        self._settings = caps_beside_damaged(state, settings)
        self.alarms = Alarms(self._connection, clock)
        lost = f"{aside} was damaged and holds alone what had not been received" if aside else None
        self.alarms.set_alarm("outbox_reset", lost)
        if aside is not None:
            with database.transaction(self._connection) as connection:
                database.count_dropped(connection, "outbox_reset", 1, clock.now())
        space.remove_orphans(self._connection, self.media_folder)

    @property
    def media_folder(self) -> Path:
        """Where the JPEGs lie."""
        return self._state / database.MEDIA_FOLDER

    @property
    def boot_id(self) -> str:
        """The kernel's id of this boot."""
        return self._boot_id

    def emit(self, detection: Detection, attachments: Sequence[Attachment] = ()) -> int:
        """Commit a revision and its media; they survive a power cut from here on.

        Args:
            detection: Its `epoch` and `seq` are replaced by this outbox's.
            attachments: New media. Those that find no space are left out and counted as dropped.

        Returns:
            The row's number.

        Raises:
            OutboxError: The row could not be written.
        """
        kept, lost = self._store(attachments)
        busy = 0
        while True:
            try:
                return self._commit(detection, kept, lost)
            except OutboxError as error:
                if database.is_busy(error) and busy < _PATIENCE:
                    busy += 1
                    log.warning("the outbox has been locked for %d waits: trying again", busy)
                elif not (database.is_full(error) and self._free_space(str(error))):
                    raise

    def beat(self) -> None:
        """Take and give back the write lock: proof, for the watchdog, that writing works.

        Raises:
            OutboxError: It does not.
        """
        with database.transaction(self._connection):
            pass

    def open_visits(self) -> list[Detection]:
        """Return the last revision of each visit that has not ended: after a restart, all such.

        What cannot be read, for example of another version of this software, is forgotten aloud.

        Raises:
            OutboxError: The database cannot be read or written.
        """
        found = []
        query = "SELECT detection_id, payload FROM visits ORDER BY detection_id"
        for detection_id, payload in database.query(self._connection, query):
            try:
                found.append(Detection.model_validate_json(payload))
            except ValidationError as error:
                log.error("visit %s cannot be closed: %s", detection_id, error.errors()[0]["msg"])
                self._forget_visit(detection_id)
        return found

    def anchor(self) -> datetime | None:
        """Return the last wall time that was believed, or None."""
        text = self.noted("anchor")
        return datetime.fromisoformat(text) if text else None

    def keep_anchor(self) -> None:
        """Remember the wall time, if it is believed now.

        Raises:
            OutboxError: It could not be written.
        """
        if may_be_anchor(self._clock, self.anchor()):
            self.note("anchor", self._clock.now().isoformat())

    def note(self, key: str, value: str) -> None:
        """Leave a word for the uplink in `meta`, for example what runs.

        Raises:
            OutboxError: It could not be written.
        """
        with database.transaction(self._connection) as connection:
            database.write_meta(connection, key, value)

    def noted(self, key: str) -> str | None:
        """Return a word that was left in `meta`, or None."""
        return database.read_meta(self._connection, key)

    @property
    def connection(self) -> sqlite3.Connection:
        """For those who keep tables of their own, in the thread that opened it."""
        return self._connection

    def waiting(self) -> tuple[int, int]:
        """Return how many detections and how many snapshots have no receipt yet."""
        return database.count_waiting(self._connection)

    def close(self) -> None:
        """Close the database; what is committed stays."""
        self._connection.close()

    def _forget_visit(self, detection_id: str) -> None:
        with database.transaction(self._connection) as connection:
            connection.execute("DELETE FROM visits WHERE detection_id = ?", (detection_id,))
            database.count_dropped(connection, "journal", 1, self._clock.now())

    def _store(self, attachments: Sequence[Attachment]) -> tuple[list[Attachment], set[int]]:
        """Write the files; return what is on disk, and the numbers of what found no space."""
        kept, lost = [], set()
        for item in attachments:
            try:
                media.store(self.media_folder, item.snapshot)
            except OSError as error:
                if error.errno not in _FULL:
                    raise OutboxError(
                        f"{self.media_folder} cannot be written ({error.strerror}): check its"
                        " rights and the disk"
                    ) from error
                log.error("no space for a snapshot (%s): it is dropped", error.strerror)
                lost.add(item.n)
            else:
                kept.append(item)
        return kept, lost

    def _commit(self, detection: Detection, kept: Sequence[Attachment], lost: set[int]) -> int:
        with database.transaction(self._connection) as connection:
            seq = writing.next_seq(connection)
            refs = [ref for ref in detection.media if ref.n not in lost]
            final = detection.model_copy(update={"epoch": self.epoch, "seq": seq, "media": refs})
            self._insert(connection, final)
            for item in kept:
                writing.insert_media(connection, final.detection_id, item, seq)
            if lost:
                database.count_dropped(connection, "media", len(lost), self._clock.now())
            doomed = space.keep_caps(connection, self._settings, self._clock.now())
        space.unlink(self.media_folder, doomed)
        return seq

    def _insert(self, connection: sqlite3.Connection, detection: Detection) -> None:
        payload = detection.to_json()
        now = self._clock.now()
        topics = DeviceTopics(detection.project, detection.device_id)
        kind = "detection" if detection.phase == "new" else "update"
        connection.execute(
            "INSERT INTO outbox (seq, message_id, kind, priority, topic, payload, qos, retain,"
            " created_at, created_boot_ns, boot_id, size_bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?)",
            (
                detection.seq,
                f"{detection.detection_id}/{detection.rev}",
                kind,
                _PRIORITY[detection.severity],
                topics.detection(detection.severity),
                payload,
                now.astimezone(timezone.utc).isoformat(),
                self._clock.boot_ns(),
                self._boot_id,
                len(payload),
            ),
        )
        writing.keep_journal(connection, detection, payload)
        if may_be_anchor(self._clock, self.anchor()):
            database.write_meta(connection, "anchor", now.isoformat())

    def _free_space(self, reason: str) -> bool:
        """Drop the oldest media until SQLite has room to work; say whether there were any."""
        doomed: list[str] = []
        while more := space.oldest_media(self._connection, skip=len(doomed)):
            log.error("the disk is full (%s): the oldest media are dropped", reason)
            space.unlink(self.media_folder, more)  # first: deleting the rows needs space, too
            doomed += more
            if self._shrink_log():
                break
        if not doomed:
            return False
        with database.transaction(self._connection) as connection:
            space.forget_media(connection, doomed, self._clock.now())
        return True

    def _shrink_log(self) -> bool:
        """Give SQLite's log back to the disk; say whether there was room for that."""
        try:
            database.shrink_log(self._connection)
        except OutboxError as error:
            if database.is_full(error):
                return False
            raise
        return True
