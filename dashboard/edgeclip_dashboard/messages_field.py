"""What devices tell of themselves beside status and info: health, alarms, log, clock, replies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, get_args

from edgeclip.contract.alarms import Alarm, AlarmCode
from edgeclip.contract.commands import Reply
from edgeclip.contract.detection import MOST_BYTES
from edgeclip.contract.health import Health
from edgeclip.contract.logbook import ClockFix, Log
from edgeclip.contract.topics import UpTopic
from edgeclip_dashboard.message_checks import RefusedError, checked

FIELD_KINDS: Final = frozenset({"alarm", "clockfix", "health", "log", "reply"})
_MOST_LONG: Final = 262_144  # a snapshot in base64, 300 lines of a log, 50 entries and 24 healths
_CODE: Final = re.compile(r"[a-z_]{1,32}")


@dataclass(frozen=True)
class HealthMessage:
    """How a device does now."""

    health: Health
    payload: bytes


@dataclass(frozen=True)
class AlarmMessage:
    """An alarm that stands; None: the one of this code is over."""

    device_id: str
    code: str
    alarm: Alarm | None


@dataclass(frozen=True)
class LogMessage:
    """Entries of a device's log book, and its health while it had no connection."""

    log: Log


@dataclass(frozen=True)
class ClockFixMessage:
    """A boot's clock put right."""

    device_id: str
    fix: ClockFix


@dataclass(frozen=True)
class ReplyMessage:
    """What became of a command."""

    reply: Reply


FieldMessage = HealthMessage | AlarmMessage | LogMessage | ClockFixMessage | ReplyMessage


def parse_field_message(parts: UpTopic, payload: bytes) -> FieldMessage | None:
    """Return what a device tells of itself; None where a retained message was taken away.

    Args:
        parts: Its topic, of one of `FIELD_KINDS`.
        payload: Its bytes, of any length.

    Raises:
        RefusedError: It is malformed, or speaks for another device.
    """
    if parts.kind == "alarm":
        return _alarm(parts, payload)
    if not payload:
        return None
    if parts.kind == "clockfix":
        return ClockFixMessage(parts.device_id, checked(ClockFix, payload, MOST_BYTES))
    if parts.kind == "health":
        health = checked(Health, payload, MOST_BYTES)
        _check_device(parts, health.device_id)
        return HealthMessage(health, payload)
    if parts.kind == "log":
        log = checked(Log, payload, _MOST_LONG)
        _check_device(parts, log.device_id, *(health.device_id for health in log.health))
        return LogMessage(log)
    reply = checked(Reply, payload, _MOST_LONG)
    _check_device(parts, reply.device_id)
    if parts.rest != (reply.command_id,):
        raise RefusedError(f"the reply to {reply.command_id} on another command's topic")
    return ReplyMessage(reply)


def _alarm(parts: UpTopic, payload: bytes) -> AlarmMessage | None:
    code = "/".join(parts.rest)
    if not _CODE.fullmatch(code):
        raise RefusedError("an alarm's topic ends in alarm/CODE")
    if not payload:
        return AlarmMessage(parts.device_id, code, None) if code in get_args(AlarmCode) else None
    alarm = checked(Alarm, payload, MOST_BYTES)
    if alarm.code != code:
        raise RefusedError(f"alarm {alarm.code} on the topic of {code}")
    return AlarmMessage(parts.device_id, code, alarm)


def _check_device(parts: UpTopic, *device_ids: str) -> None:
    for device_id in device_ids:
        if device_id != parts.device_id:
            raise RefusedError(f"the topic names {parts.device_id}, the {parts.kind} {device_id}")
