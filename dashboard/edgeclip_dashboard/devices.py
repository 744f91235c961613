"""What devices say of themselves: their row in the database, from status and info."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from edgeclip.contract.reports import Status
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.deployments import note_deployment
from edgeclip_dashboard.messages import InfoMessage, StatusMessage
from edgeclip_dashboard.models import Device

_ENDS: Final = ("offline", "stopped", "sleeping")


def device_row(batch: Batch, device_id: str) -> Device:
    """Return a device's row, made if it is new."""
    row = batch.find(Device, device_id)
    if row is None:
        row = Device(device_id=device_id)
        batch.add(row, device_id)
    return row


def note_status(batch: Batch, message: StatusMessage, at: datetime) -> None:
    """Store a status; what a connection said that has been replaced or has ended is no news.

    Args:
        batch: An open transaction.
        message: Device and status.
        at: Now, aware UTC: a will does not know when it is sent.
    """
    status = message.status
    row = device_row(batch, message.device_id)
    if status.state == "offline" and row.bdseq is not None and status.bdseq < row.bdseq:
        return
    if _is_late(row, status):
        return  # another instance heard the end before this one heard the beginning
    has_changed = row.state != status.state or row.bdseq != status.bdseq
    if status.since is not None or has_changed:
        row.since = status.since or at
    row.state, row.bdseq, row.reason = status.state, status.bdseq, status.reason
    row.next_wake_at = status.next_wake_at


def _is_late(row: Device, status: Status) -> bool:
    """Say whether this is the beginning of a connection whose end is known.

    A device that was set up anew counts its connections from one again: what began after that end
    is another one of the same number.
    """
    if row.state not in _ENDS or status.bdseq != row.bdseq or status.state in _ENDS:
        return False
    return status.since is None or row.since is None or status.since <= row.since


def note_info(batch: Batch, message: InfoMessage, at: datetime) -> None:
    """Store a birth certificate, and the deployment that it names."""
    info = message.info
    row = device_row(batch, info.device_id)
    row.deployment_id, row.camera_id = info.deployment_id, info.camera_id
    row.edgeclip_version, row.machine = info.edgeclip_version, info.machine
    row.pack, row.backend, row.precision = info.pack, info.backend, info.precision
    row.source, row.is_armed = info.source, info.armed
    row.info = info.to_json().decode()
    note_deployment(batch, info.deployment_id, at)
