"""A database as it is after a season: detections, revisions, outbox rows, snapshots, devices."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Engine, insert

from edgeclip.contract.detection import new_id
from edgeclip_dashboard.models import (
    Announcement,
    Base,
    DetectionRow,
    Device,
    Media,
    OutboxRow,
    Revision,
)
from support.samples import detection

SPECIES = ("leopard", "impala", "hyena", "porcupine", "genet")
_AT_ONCE = 2000
_SEASON = timedelta(days=180)
_EPOCH = "018bcfe5-6800-79d7-baa4-4201ea1b234f"


def fill(engine: Engine, count: int, *, devices: int = 100) -> None:
    """Add detections over half a year, each with one revision and one announced snapshot.

    Args:
        engine: Of a database of this version.
        count: How many detections.
        devices: From how many devices.
    """
    payload = detection().to_json().decode()
    start = datetime.now(timezone.utc) - _SEASON
    names = [f"season-{number:04}" for number in range(devices)]
    with engine.begin() as connection:
        connection.execute(
            insert(Device), [{"device_id": name, "state": "online"} for name in names]
        )
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        rows = [
            _rows(number, start + _SEASON * (number / count), names, payload) for number in numbers
        ]
        with engine.begin() as connection:
            for model in (DetectionRow, Revision, OutboxRow, Announcement, Media):
                connection.execute(insert(model), [row[model] for row in rows])


def _rows(
    number: int, at: datetime, names: list[str], payload: str
) -> dict[type[Base], dict[str, Any]]:
    detection_id, sha256 = new_id(int(at.timestamp() * 1000)), f"{number:064x}"
    device = number % len(names)
    known = {"detection_id": detection_id, "rev": 0}
    told = {
        "device_id": names[device], "epoch": _EPOCH, "deployment_id": f"place-{device % 25}",
        "camera_id": "north", "phase": "end", "severity": "alert" if number % 3 else "routine",
        "is_test": False, "is_historical": False, "class_name": SPECIES[number % 5],
        "observation_type": "animal", "probability": 0.5 + number % 50 / 100, "threshold": 0.6,
        "pack": "leopard@1.0.0 on onnxruntime fp32", "best_at": at, "occurred_at": at,
        "light": ("day", "dusk", "ir")[number % 3], "first_received_at": at, "received_at": at,
        "clock": "trusted",
    }  # fmt: skip
    outbox = {"device_id": names[device], "epoch": _EPOCH, "seq": number // len(names) + 1}
    media = {"sha256": sha256, "size_bytes": 50_000, "device_id": names[device]}
    seen = {"detection_id": detection_id, "n": 0, "sha256": sha256, "rev": 0, "kind": "full"}
    return {
        DetectionRow: known | told,
        Revision: known | {"payload": payload, "received_at": at},
        OutboxRow: outbox,
        Announcement: seen | {"width": 640, "height": 400},
        Media: media | {"received_at": at},
    }
