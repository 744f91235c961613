"""Commit what arrived: detections by (id, revision), media by hash, devices; one batch, whole."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.orm import Session

from edgeclip.errors import StoreError
from edgeclip_dashboard.batch import Batch, ConflictError
from edgeclip_dashboard.clock_fixes import note_clock_fix
from edgeclip_dashboard.devices import note_info, note_status
from edgeclip_dashboard.field_writers import note_alarm, note_health, note_log, note_reply
from edgeclip_dashboard.ledger import Outbox
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import (
    DetectionMessage,
    IgnoredMessage,
    Incoming,
    InfoMessage,
    MalformedMessage,
    MediaMessage,
    PartMessage,
    StatusMessage,
)
from edgeclip_dashboard.messages_field import (
    AlarmMessage,
    ClockFixMessage,
    HealthMessage,
    LogMessage,
    ReplyMessage,
)
from edgeclip_dashboard.models import Announcement
from edgeclip_dashboard.neighbours import Row, tell
from edgeclip_dashboard.notices.noting import note_notices
from edgeclip_dashboard.turns import is_crossing, take_turns
from edgeclip_dashboard.webhooks.noting import note_deliveries
from edgeclip_dashboard.writers import (
    Limits,
    keep_malformed,
    store_detection,
    store_media,
)

log = logging.getLogger(__name__)

_LIMITS = Limits()
_MOST_CROSSINGS = 5


@dataclass
class Committed:
    """What a batch changed for good, and what the devices are to be told.

    Attributes:
        stored: Rows that are stored now, whether or not they were before.
        refused: Rows that will never be, and why.
        media: Media files that are stored and belong to a stored detection.
        malformed: How many messages were kept raw instead of stored.
        duplicates: How many detections had been stored before.
    """

    stored: list[tuple[Outbox, int]] = field(default_factory=list)
    refused: list[tuple[Outbox, int, str]] = field(default_factory=list)
    media: list[tuple[Outbox, str]] = field(default_factory=list)
    malformed: int = 0
    duplicates: int = 0


class Store:
    """Writes batches of messages; for one thread.

    Args:
        engine: Of the database.
        files: Keeps the media.
        limits: What a device can make it keep.
        name: Of this instance, for the others on the same database.
    """

    def __init__(
        self, engine: Engine, files: MediaFiles, limits: Limits = _LIMITS, name: str = "dashboard"
    ) -> None:
        self._engine = engine
        self._files = files
        self._limits = limits
        self._name = name

    def commit(self, messages: Sequence[Incoming], at: datetime) -> Committed:
        """Store a batch in one transaction and return what is now safe on disk.

        A message that the database cannot hold is kept raw, and spoils none of the others. A
        fault of the database itself is no message's: a device deletes what is refused.

        Raises:
            StoreError: The database or the media folder cannot be written; nothing was stored and
                the same batch can be tried again.
        """
        try:
            return self._commit_in_turn(messages, at)
        except (SQLAlchemyError, OverflowError, UnicodeError, OSError) as error:
            if not _is_of_a_message(error):
                raise StoreError(
                    f"cannot store ({_why(error)}): make room on the disk, or check permissions"
                    " and the database; devices keep what is not stored"
                ) from error
            if len(messages) == 1:
                log.warning("a message cannot be stored and is kept raw: %s", error)
                return self._commit([_as_malformed(messages[0], error)], at)
            return _joined([self.commit([message], at) for message in messages])

    def _commit_in_turn(self, messages: Sequence[Incoming], at: datetime) -> Committed:
        """Commit; where another instance was in the way, look again at what it has stored."""
        for _ in range(_MOST_CROSSINGS):
            try:
                return self._commit(messages, at)
            except DBAPIError as error:
                if self._engine.dialect.name == "sqlite" or not is_crossing(error):
                    raise
                log.debug("another instance was in the way: %s", error)
        return self._commit(messages, at)

    def _commit(self, messages: Sequence[Incoming], at: datetime) -> Committed:
        committed = Committed()
        joined: list[PartMessage] = []
        messages = [self._whole(message, joined) for message in messages]
        self._write_announced(messages)
        with Session(self._engine, autoflush=False) as session, session.begin():
            take_turns(session, messages)
            batch = Batch(session)
            batch.look_up(messages)
            for message in messages:
                try:
                    self._store(batch, message, at, committed)
                except ConflictError as error:
                    self._store(batch, _as_malformed(message, error), at, committed)
            batch.write_later()
            tell(session, self._name, _rows(committed))
        for part in joined:
            self._files.parts.forget(part)
        return committed

    def _write_announced(self, messages: Sequence[Incoming]) -> None:
        """Write the files that a detection names, before others have to wait for the database.

        What no detection names is looked at later, in the transaction: it may be refused.
        """
        found = {
            self._files.sha256(message.data): message.data
            for message in messages
            if isinstance(message, MediaMessage) and self._files.problem(message.data) is None
        }
        if not found:
            return
        named = {
            ref.sha256
            for message in messages
            if isinstance(message, DetectionMessage)
            for ref in message.detection.media
        }
        with Session(self._engine) as session:
            query = select(Announcement.sha256).where(Announcement.sha256.in_(found))
            named.update(session.scalars(query))
        for sha256 in named & found.keys():
            self._files.write(found[sha256], sha256)

    def _whole(self, message: Incoming, joined: list[PartMessage]) -> Incoming:
        """Return the snapshot that a part completes; a part that completes none is done with."""
        if not isinstance(message, PartMessage):
            return message
        topic = f"media/{message.detection_id}/{message.n}"
        if problem := self._files.parts.problem(message):
            return MalformedMessage(topic, message.data, problem, message.device_id)
        whole = self._files.parts.add(message)
        if whole is None:
            return IgnoredMessage("part")
        joined.append(message)
        return whole

    def _store(self, batch: Batch, message: Incoming, at: datetime, committed: Committed) -> None:
        if isinstance(message, DetectionMessage):
            is_new, media = store_detection(batch, message, at)
            if is_new:
                note_notices(batch, message.detection, at)
                note_deliveries(batch, message.detection, at)
            _note_detection(committed, message, (is_new, media))
        elif isinstance(message, MediaMessage):
            sha256, outbox = store_media(
                batch, message, at, files=self._files, most_pending=self._limits.pending
            )
            if outbox is not None:
                committed.media.append((outbox, sha256))
        elif isinstance(message, StatusMessage):
            note_status(batch, message, at)
        elif isinstance(message, InfoMessage):
            note_info(batch, message, at)
        elif isinstance(message, MalformedMessage):
            keep_malformed(batch, message, at, most=self._limits.malformed)
            committed.malformed += 1
            if message.device_id and message.row:
                epoch, seq = message.row
                committed.refused.append(((message.device_id, epoch), seq, message.reason))
        else:
            _store_of_field(batch, message, at)


def _is_of_a_message(error: Exception) -> bool:
    """Say whether an error is of what a message holds, and not of how the store is."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | OverflowError | UnicodeError)


def _rows(committed: Committed) -> list[Row]:
    stored: list[Row] = [(outbox, seq, False) for outbox, seq in committed.stored]
    return stored + [(outbox, seq, True) for outbox, seq, _ in committed.refused]


def _store_of_field(batch: Batch, message: Incoming, at: datetime) -> None:
    if isinstance(message, HealthMessage):
        note_health(batch, message, at)
    elif isinstance(message, AlarmMessage):
        note_alarm(batch, message, at)
    elif isinstance(message, LogMessage):
        note_log(batch, message, at)
    elif isinstance(message, ClockFixMessage):
        note_clock_fix(batch, message, at)
    elif isinstance(message, ReplyMessage):
        note_reply(batch, message, at)


def _note_detection(
    committed: Committed, message: DetectionMessage, result: tuple[bool, list[str]]
) -> None:
    is_new, media = result
    detection = message.detection
    outbox = (detection.device_id, detection.epoch)
    committed.stored.append((outbox, detection.seq))
    committed.media.extend((outbox, sha256) for sha256 in media)
    committed.duplicates += not is_new


def _as_malformed(message: Incoming, error: Exception) -> MalformedMessage:
    """Return a message that is to be kept raw, with its outbox row if it has one."""
    reason = str(error).splitlines()[0][:200]
    if isinstance(message, DetectionMessage):
        detection = message.detection
        row = (detection.epoch, detection.seq)
        return MalformedMessage("detection", message.payload, reason, detection.device_id, row)
    if isinstance(message, MediaMessage):
        topic = f"media/{message.detection_id}/{message.n}"
        return MalformedMessage(topic, message.data, reason, message.device_id)
    if isinstance(message, ReplyMessage):
        reply = message.reply
        return MalformedMessage("reply", reply.to_json(), reason, reply.device_id)
    return MalformedMessage(type(message).__name__, b"", reason)


def _joined(parts: list[Committed]) -> Committed:
    whole = Committed()
    for part in parts:
        whole.stored += part.stored
        whole.refused += part.refused
        whole.media += part.media
        whole.malformed += part.malformed
        whole.duplicates += part.duplicates
    return whole


def _why(error: Exception) -> str:
    """Return a fault in one line, without what a library adds for programmers."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return str(error.orig).splitlines()[0]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
