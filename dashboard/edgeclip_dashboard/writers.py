"""Single messages into the tables; each function works inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from edgeclip.contract.detection import Detection, MediaRef
from edgeclip_dashboard import told_words
from edgeclip_dashboard.batch import Batch, ConflictError
from edgeclip_dashboard.clock_fixes import clock_of
from edgeclip_dashboard.deployments import note_deployment
from edgeclip_dashboard.devices import device_row
from edgeclip_dashboard.image_features import note_features
from edgeclip_dashboard.ledger import Outbox
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage, MalformedMessage, MediaMessage
from edgeclip_dashboard.models import (
    Announcement,
    DetectionRow,
    Malformed,
    Media,
    Meta,
    OutboxRow,
    Revision,
)

_MOST_RAW_BYTES = 65_536


@dataclass(frozen=True)
class Limits:
    """What a device can make the store keep beside detections.

    Attributes:
        pending: Media without a detection; past it a device keeps its own.
        malformed: Raw messages; the oldest go first.
    """

    pending: int = 1000
    malformed: int = 1000


def store_detection(
    batch: Batch, message: DetectionMessage, at: datetime
) -> tuple[bool, list[str]]:
    """Store a revision and, if it is the highest, make it the detection.

    Args:
        batch: An open transaction.
        message: The detection and its bytes.
        at: Now, aware UTC.

    Returns:
        Whether the revision was new; the SHA-256 of those of its media that are stored already.

    Raises:
        ConflictError: The detection belongs to another device.
    """
    detection = message.detection
    row = batch.find(DetectionRow, detection.detection_id)
    if row is not None and row.device_id != detection.device_id:
        raise ConflictError("the detection_id belongs to another device")
    _note_row(batch, (detection.device_id, detection.epoch), detection.seq, None)
    is_new = batch.find(Revision, detection.detection_id, detection.rev) is None
    if is_new:
        _add_revision(batch, message, row, at)
    return is_new, _stored_media(batch, detection)


def _add_revision(
    batch: Batch, message: DetectionMessage, row: DetectionRow | None, at: datetime
) -> None:
    detection = message.detection
    revision = Revision(
        detection_id=detection.detection_id,
        rev=detection.rev,
        payload=message.payload.decode(),
        received_at=at,
    )
    batch.add(revision, detection.detection_id, detection.rev)
    for ref in detection.media:
        _announce(batch, detection, ref)
    device_row(batch, detection.device_id).last_detection_at = at
    note_deployment(batch, detection.deployment_id, at, detection.location)
    note_features(batch, detection, is_first=row is None)
    if row is None:
        values = _columns(batch, detection, at)
        row = DetectionRow(
            detection_id=detection.detection_id, first_received_at=at, received_at=at, **values
        )
        batch.add(row, detection.detection_id)
    elif detection.rev > row.rev:
        for name, value in _columns(batch, detection, row.first_received_at).items():
            setattr(row, name, value)
        row.received_at = at


def _columns(batch: Batch, detection: Detection, at: datetime) -> dict[str, object]:
    """Return what the table of detections takes from a revision that came first at a time."""
    clock, true = clock_of(batch, detection)
    votes, pack = detection.votes, detection.pack
    same = "rev device_id epoch deployment_id camera_id phase severity class_name scientific_name"
    same += " observation_type probability failure"
    return {name: getattr(detection, name) for name in same.split()} | {
        "threshold": detection.thresholds.on if detection.thresholds else None,
        "is_test": detection.test,
        "is_historical": detection.historical,
        "votes_frames": votes.frames if votes else None,
        "votes_agreeing": votes.agreeing if votes else None,
        "pack": f"{pack.task}@{pack.version} on {pack.backend} {pack.precision}",
        "started_at": detection.time.started_at,
        "best_at": detection.time.best_at,
        "ended_at": detection.time.ended_at,
        "occurred_at": true or detection.time.best_at or detection.time.started_at or at,
        "boot_id": detection.boot_id,
        "clock": clock,
        "light": detection.gate.illumination if detection.gate else None,
        "attributes": told_words.stored(detection.attributes),
        "latitude": detection.location.latitude,
        "longitude": detection.location.longitude,
    }


def _announce(batch: Batch, detection: Detection, ref: MediaRef) -> None:
    key = (detection.detection_id, ref.n, ref.sha256)
    row = batch.find(Announcement, *key)
    if row is not None:
        row.rev = max(row.rev, detection.rev)
        return
    row = Announcement(
        detection_id=detection.detection_id,
        n=ref.n,
        sha256=ref.sha256,
        rev=detection.rev,
        kind=ref.kind,
        width=ref.width,
        height=ref.height,
    )
    batch.add(row, *key)


def _stored_media(batch: Batch, detection: Detection) -> list[str]:
    hashes = {ref.sha256 for ref in detection.media}
    return sorted(sha256 for sha256 in hashes if batch.find(Media, sha256))


def store_media(
    batch: Batch, message: MediaMessage, at: datetime, *, files: MediaFiles, most_pending: int
) -> tuple[str, Outbox | None]:
    """Check a media file's bytes and store them; without its detection it is pending.

    Args:
        batch: An open transaction.
        message: Detection id, number and bytes.
        at: Now, aware UTC.
        files: Where the bytes go, before the row.
        most_pending: How many may wait for their detections.

    Returns:
        The SHA-256, and the outbox to send a receipt to; None while it is pending, because only
        the detection tells the epoch that a receipt needs.

    Raises:
        ConflictError: Not a JPEG, too large, another device's detection, not the hash that was
            announced, or too many pending.
        OSError: The file cannot be written.
    """
    problem = files.problem(message.data)
    if problem:
        raise ConflictError(problem)
    sha256 = files.sha256(message.data)
    outbox = _owner(batch, message)
    is_announced = _is_announced(batch, message, sha256)
    if not is_announced and _pending(batch) >= most_pending:
        raise ConflictError(f"{most_pending} media already wait for their detections")
    if batch.find(Media, sha256) is None:
        files.write(message.data, sha256)
        size_bytes = len(message.data)
        row = Media(
            sha256=sha256, size_bytes=size_bytes, device_id=message.device_id, received_at=at
        )
        batch.add(row, sha256)
    return sha256, outbox if is_announced else None


def _owner(batch: Batch, message: MediaMessage) -> Outbox | None:
    """Return device and epoch of the detection that a media file belongs to, if it is known."""
    row = batch.find(DetectionRow, message.detection_id)
    if row is None:
        return None
    if row.device_id != message.device_id:
        raise ConflictError("the detection_id belongs to another device")
    return row.device_id, row.epoch


def _is_announced(batch: Batch, message: MediaMessage, sha256: str) -> bool:
    """Say whether some revision named this file.

    Raises:
        ConflictError: Revisions named the number, all with another hash.
    """
    query = select(Announcement.n, Announcement.sha256).where(
        Announcement.detection_id == message.detection_id
    )
    batch.session.flush()
    announced = batch.session.execute(query).all()
    if any(known == sha256 for _, known in announced):
        return True
    others = [known for n, known in announced if n == message.n]
    if others:
        raise ConflictError(
            f"the bytes have hash {sha256[:12]}.., announced was {others[0][:12]}.."
        )
    return False


def _pending(batch: Batch) -> int:
    query = (
        select(func.count())
        .select_from(Media)
        .where(~select(Announcement.n).where(Announcement.sha256 == Media.sha256).exists())
    )
    batch.session.flush()
    return batch.session.scalar(query) or 0


def keep_malformed(batch: Batch, message: MalformedMessage, at: datetime, *, most: int) -> None:
    """Keep a message raw, count it, and note its outbox row as refused.

    Args:
        batch: An open transaction.
        message: Topic, bytes (the first 64 kB are kept) and reason.
        at: Now, aware UTC.
        most: How many are kept.
    """
    raw = message.payload[:_MOST_RAW_BYTES]
    row = Malformed(topic=message.topic, reason=message.reason, payload=raw, received_at=at)
    batch.session.add(row)
    batch.session.flush()
    batch.session.execute(delete(Malformed).where(Malformed.id <= row.id - most))
    count = batch.session.get_one(Meta, "malformed", with_for_update=True)
    count.value = str(int(count.value) + 1)
    if message.device_id and message.row:
        epoch, seq = message.row
        _note_row(batch, (message.device_id, epoch), seq, message.reason)


def _note_row(batch: Batch, outbox: Outbox, seq: int, refused: str | None) -> None:
    """Note a row of an outbox; what is stored stays stored, what was refused may come right."""
    row = batch.find(OutboxRow, *outbox, seq)
    if row is None:
        row = OutboxRow(device_id=outbox[0], epoch=outbox[1], seq=seq, refused=refused)
        batch.add(row, *outbox, seq)
    elif refused is None:
        row.refused = None
