"""What a device tells of itself: valid health, alarms, replies, log entries and clock fixes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from edgeclip.contract.alarms import Alarm
from edgeclip.contract.commands import Reply
from edgeclip.contract.health import Health
from edgeclip.contract.logbook import ClockFix, Log
from edgeclip.contract.reports import Info
from support.samples import AT, EPOCH

DEVICE = "jetson-1"
BOOT = "b0000000-0000-4000-8000-000000000001"


def health(at: datetime | None = AT, device_id: str = DEVICE, **changes: Any) -> Health:
    """Return the health of a device on a battery, with some tables changed."""
    document = {
        "device_id": device_id,
        "at": at,
        "boot_id": BOOT,
        "uptime_s": 7200.0,
        "clock": {"trusted": at is not None, "source": "ntp" if at else "none"},
        "camera": {"fps": 4.8, "expected_fps": 5.0, "quality": "excellent"},
        "infer": {"count": 900, "p50_ms": 8.0, "p95_ms": 11.5},
        "drift": {"mean_top_probability": 0.9, "unknown_rate": 0.02, "feature_distance": 0.04},
        "outbox": {"rows": 3, "size_bytes": 90_000},
        "storage": {"free_mb": 51_200.0},
        "power": {"battery_v": 12.6, "vdd_in_w": 9.1, "mode_name": "15W"},
        "thermal": {"tj_c": 48.5, "throttled": False},
    }
    return Health.model_validate(document | changes)


def alarm(code: str = "disk_low", since: datetime | None = AT, detail: str = "") -> Alarm:
    """Return an alarm that stands."""
    said = detail or "1.2 GB are free of 64 GB: send media, or make room"
    return Alarm.model_validate({"code": code, "since": since, "boot_id": BOOT, "detail": said})


def reply(command_id: str, state: str = "done", **changes: Any) -> Reply:
    """Return a reply to a command."""
    document = {
        "command_id": command_id,
        "name": "ping",
        "device_id": DEVICE,
        "state": state,
        "at": AT,
    }
    return Reply.model_validate(document | changes)


def log_of(*texts: str, first: int = 1, **changes: Any) -> Log:
    """Return entries of a log book, numbered from `first` on."""
    entries = [
        {"n": n, "at": AT, "boot_id": BOOT, "boot_ns": n, "kind": "alarm", "text": text}
        for n, text in enumerate(texts, first)
    ]
    document = {"device_id": DEVICE, "epoch": EPOCH, "entries": entries}
    return Log.model_validate(document | changes)


def clock_fix(boot_id: str = BOOT, **changes: Any) -> ClockFix:
    """Return the fix of a boot: at 10 s of it, it was `AT`."""
    document = {
        "boot_id": boot_id,
        "at_boot_ns": 10_000_000_000,
        "true_at": AT,
        "offset_ms": 5000,
        "source": "ntp",
        "error_ms": 20,
    }
    return ClockFix.model_validate(document | changes)


def info(**changes: Any) -> Info:
    """Return the birth certificate of a device that is armed."""
    document = {
        "device_id": DEVICE,
        "project": "demo",
        "deployment_id": "ridge-2026",
        "camera_id": "north",
        "edgeclip_version": "0.1.0",
        "pack": "leopard@1.0.0",
        "backend": "onnxruntime",
        "precision": "fp32",
        "rung": 4,
        "source": "/dev/video0",
        "machine": "aarch64",
        "started_at": AT,
        "packs_available": ["leopard@1.0.0", "boar@2.1.0"],
    }
    return Info.model_validate(document | changes)
