"""What arrives by MQTT, taken apart: a known message of the contract, or why it is not one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from edgeclip.contract.detection import MOST_BYTES, Detection
from edgeclip.contract.reports import Info, Status
from edgeclip.contract.topics import UpTopic, parse_up_topic
from edgeclip_dashboard.message_checks import LARGEST_INTEGER, RefusedError, checked
from edgeclip_dashboard.messages_field import FIELD_KINDS, FieldMessage, parse_field_message

_MOST_REASON = 200
_ID = re.compile(r"[0-9a-f-]{36}")
_MEDIA = re.compile(r"([0-9a-f-]{36})/([0-9]{1,2})(?:/([1-9][0-9]{0,3})-([1-9][0-9]{0,3}))?")


@dataclass(frozen=True)
class DetectionMessage:
    """A valid detection."""

    detection: Detection
    payload: bytes


@dataclass(frozen=True)
class MediaMessage:
    """The bytes of a media file, not yet looked at."""

    device_id: str
    detection_id: str
    n: int
    data: bytes


@dataclass(frozen=True)
class PartMessage:
    """A part of a media file: number `part` of `parts`, from 1."""

    device_id: str
    detection_id: str
    n: int
    part: int
    parts: int
    data: bytes


@dataclass(frozen=True)
class StatusMessage:
    """A device's status."""

    device_id: str
    status: Status


@dataclass(frozen=True)
class InfoMessage:
    """A device's birth certificate."""

    info: Info


@dataclass(frozen=True)
class MalformedMessage:
    """A message that can never be stored.

    Attributes:
        device_id: From the topic; None if that cannot be read either.
        row: Epoch and number of the outbox row, where they can be read.
    """

    topic: str
    payload: bytes
    reason: str
    device_id: str | None = None
    row: tuple[str, int] | None = None


@dataclass(frozen=True)
class IgnoredMessage:
    """A message of a kind that this version does not use."""

    kind: str


Incoming = (
    DetectionMessage
    | MediaMessage
    | PartMessage
    | StatusMessage
    | InfoMessage
    | FieldMessage
    | MalformedMessage
    | IgnoredMessage
)


def parse_message(topic: str, payload: bytes, *, project: str) -> Incoming:
    """Return what a message says; nothing that a device can send raises an error.

    Args:
        topic: The topic it came on.
        payload: Its bytes, of any length.
        project: The project that the dashboard serves.
    """
    parts = parse_up_topic(topic)
    if parts is None or parts.project != project:
        return MalformedMessage(topic, payload, "not a topic of this project's devices")
    try:
        return _parse(parts, payload)
    except RefusedError as error:
        reason = str(error)[:_MOST_REASON]
        row = _row_of(payload) if parts.kind == "detection" else None
        return MalformedMessage(topic, payload, reason, parts.device_id, row)


def _parse(parts: UpTopic, payload: bytes) -> Incoming:
    if parts.kind == "detection":
        return DetectionMessage(_detection(parts, payload), payload)
    if parts.kind == "media":
        return _media(parts, payload)
    if parts.kind in ("status", "info") and not payload:
        return IgnoredMessage(parts.kind)  # an empty retained message clears the topic
    if parts.kind == "status":
        return StatusMessage(parts.device_id, checked(Status, payload, MOST_BYTES))
    if parts.kind == "info":
        info = checked(Info, payload, MOST_BYTES)
        if (info.device_id, info.project) != (parts.device_id, parts.project):
            raise RefusedError(f"the topic names {parts.device_id}, the info {info.device_id}")
        return InfoMessage(info)
    if parts.kind in FIELD_KINDS:
        return parse_field_message(parts, payload) or IgnoredMessage(parts.kind)
    return IgnoredMessage(parts.kind)


def _detection(parts: UpTopic, payload: bytes) -> Detection:
    detection = checked(Detection, payload, MOST_BYTES)
    if (detection.device_id, detection.project) != (parts.device_id, parts.project):
        raise RefusedError(
            f"the topic names {parts.device_id}, the detection {detection.device_id}"
        )
    if parts.rest != (detection.severity,):
        raise RefusedError(f"severity {detection.severity} on topic {'/'.join(parts.rest)[:40]}")
    return detection


def _media(parts: UpTopic, payload: bytes) -> MediaMessage | PartMessage:
    found = _MEDIA.fullmatch("/".join(parts.rest))
    if found is None:
        raise RefusedError("a media topic ends in DETECTION_ID/N or DETECTION_ID/N/PART-PARTS")
    if found[3]:
        part, of = int(found[3]), int(found[4])
        if part > of or not payload:
            raise RefusedError(f"part {part} of {of} with {len(payload)} bytes")
        return PartMessage(parts.device_id, found[1], int(found[2]), part, of, payload)
    return MediaMessage(parts.device_id, found[1], int(found[2]), payload)


def _row_of(payload: bytes) -> tuple[str, int] | None:
    """Return epoch and row number of a broken detection, if that much can be read."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    epoch, seq = document.get("epoch"), document.get("seq")
    if not (isinstance(epoch, str) and _ID.fullmatch(epoch)):
        return None
    if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq <= LARGEST_INTEGER:
        return None
    return epoch, seq
