"""A fleet with a history of commands: what each device was sent, and what became of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from sqlalchemy import Engine, insert

from edgeclip.contract.detection import new_id
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import CommandRow
from support.reports_of_a_device import info

_HOUR: Final = timedelta(hours=1)
_KINDS: Final = ("pack_add", "thresholds", "snapshot", "ping")
_ARGUMENTS: Final = {
    "pack_add": json.dumps({"sha256": "ab" * 32, "size_bytes": 500_000}),
    "thresholds": json.dumps({"class_name": "leopard", "on": 0.7}),
}


def wish(engine: Engine, *, devices: int, commands: int) -> int:
    """Add devices that say what they run, and commands to each; return how many commands.

    Every second device runs what it was sent, every tenth refused it, the others have not answered.

    Args:
        engine: Of a database of this version.
        devices: How many.
        commands: To each device, an hour apart.
    """
    now = datetime.now(timezone.utc)
    rows = [
        _command(number, nth, now - _HOUR * (commands - nth))
        for number in range(devices)
        for nth in range(commands)
    ]
    with engine.begin() as connection:
        connection.execute(insert(Device), [_device(number, now) for number in range(devices)])
        connection.execute(insert(CommandRow), rows)
    return len(rows)


def _device(number: int, now: datetime) -> dict[str, Any]:
    name, pack = _name(number), f"leopard@1.{number % 2}.0"
    told = info(device_id=name, pack=pack)
    return {
        "device_id": name, "state": "online", "since": now, "pack": pack,
        "deployment_id": f"place-{number % 25}", "info": told.to_json().decode(),
    }  # fmt: skip


def _command(number: int, nth: int, at: datetime) -> dict[str, Any]:
    kind = _KINDS[nth % len(_KINDS)]
    state = "refused" if number % 10 == 0 else "done" if number % 2 else "sent"
    arguments = _ARGUMENTS.get(kind, "{}")
    return {
        "command_id": new_id(round(at.timestamp() * 1000)), "device_id": _name(number),
        "name": kind, "args": arguments, "account_name": "admin", "issued_at": at,
        "not_after": at + 48 * _HOUR, "dashboard_id": "instance-0", "key_id": "00" * 8,
        "counter": nth, "state": state, "replied_at": None if state == "sent" else at,
        "reason": "the key is not known here" if state == "refused" else "",
        "data": '{"packs": "leopard@1.1.0"}' if state == "done" and kind == "pack_add" else "{}",
    }  # fmt: skip


def _name(number: int) -> str:
    return f"wished-{number:04}"
