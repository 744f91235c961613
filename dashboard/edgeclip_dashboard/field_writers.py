"""What devices tell of themselves, into the tables; each works inside the caller's transaction."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from edgeclip.contract.alarms import Alarm
from edgeclip.contract.health import Health
from edgeclip_dashboard.batch import Batch, ConflictError
from edgeclip_dashboard.devices import device_row
from edgeclip_dashboard.messages_field import (
    AlarmMessage,
    HealthMessage,
    LogMessage,
    ReplyMessage,
)
from edgeclip_dashboard.models_field import CommandRow, DeviceAlarm, HealthSample, LogEntry

_MOST_AHEAD: Final = timedelta(days=1)  # further ahead of this machine's clock is no time
FINAL_STATES: Final = frozenset({"done", "failed", "refused"})


def note_health(batch: Batch, message: HealthMessage, at: datetime) -> None:
    """Store how a device does; the broker's copy of what is known is no news.

    Args:
        batch: An open transaction.
        message: The health and its bytes.
        at: Now, aware UTC: a device without a believed clock does not know when it is.
    """
    row = device_row(batch, message.health.device_id)
    payload = message.payload.decode()
    if row.health == payload:
        return
    row.health, row.health_at = payload, at
    if message.health.power.battery_v is not None:
        row.battery_v = message.health.power.battery_v
    _add_sample(batch, message.health, payload, at)


def note_log(batch: Batch, message: LogMessage, at: datetime) -> None:
    """Store what is new of a log book, and the health of hours without a connection."""
    log = message.log
    device_row(batch, log.device_id)
    for entry in log.entries:
        key = (log.device_id, log.epoch or "", entry.n)
        if batch.find(LogEntry, *key) is None:
            row = LogEntry(
                device_id=log.device_id,
                epoch=log.epoch or "",
                number=entry.n,
                at=entry.at,
                kind=entry.kind,
                text=entry.text,
                received_at=at,
            )
            batch.add(row, *key)
    for health in log.health:
        if health.at is not None:  # without its hour it is of no use
            _add_sample(batch, health, health.to_json().decode(), at)


def _add_sample(batch: Batch, health: Health, payload: str, at: datetime) -> None:
    is_believed = health.at is not None and health.at <= at + _MOST_AHEAD
    when = health.at if is_believed and health.at is not None else at
    batch.session.flush()
    known = select(HealthSample.id).where(
        HealthSample.device_id == health.device_id, HealthSample.at == when
    )
    if batch.session.scalar(known.limit(1)) is not None:
        return
    batch.session.add(
        HealthSample(
            device_id=health.device_id,
            at=when,
            battery_v=health.power.battery_v,
            power_w=health.power.vdd_in_w,
            temperature_c=health.thermal.tj_c,
            free_mb=health.storage.free_mb,
            outbox_rows=health.outbox.rows,
            fps=health.camera.fps,
            infer_p95_ms=health.infer.p95_ms,
            feature_distance=health.drift.feature_distance,
            payload=payload,
        )
    )


def note_alarm(batch: Batch, message: AlarmMessage, at: datetime) -> None:
    """Store that an alarm stands, or that it is over; one that was raised anew is another row."""
    batch.session.flush()
    standing = batch.session.scalar(
        select(DeviceAlarm)
        .where(DeviceAlarm.device_id == message.device_id, DeviceAlarm.code == message.code)
        .where(DeviceAlarm.over_at.is_(None))
        .order_by(DeviceAlarm.id.desc())
        .limit(1)
    )
    alarm = message.alarm
    if standing is not None and (alarm is None or _is_another(standing, alarm)):
        standing.over_at = at
        standing = None
    if alarm is None:
        return
    device_row(batch, message.device_id)
    if standing is None:
        standing = DeviceAlarm(device_id=message.device_id, code=message.code, received_at=at)
        batch.session.add(standing)
    standing.since, standing.detail = alarm.since or standing.since, alarm.detail


def _is_another(standing: DeviceAlarm, alarm: Alarm) -> bool:
    """Say whether an alarm ended and began again while nobody listened."""
    return None not in (standing.since, alarm.since) and standing.since != alarm.since


def note_reply(batch: Batch, message: ReplyMessage, at: datetime) -> str | None:
    """Store what became of a command of ours; return its id, or None for what is no news.

    Args:
        batch: An open transaction.
        message: The reply.
        at: Now, aware UTC.

    Raises:
        ConflictError: The command went to another device.
    """
    reply = message.reply
    row = batch.find(CommandRow, reply.command_id)
    if row is None:
        return None  # somebody else's, sent from another workstation
    if row.device_id != reply.device_id:
        raise ConflictError("the command went to another device")
    if row.state in FINAL_STATES:
        return None
    row.state, row.reason, row.replied_at = reply.state, reply.reason, at
    row.data = json.dumps(reply.data)
    return row.command_id
