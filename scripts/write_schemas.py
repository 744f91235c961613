"""Write the JSON Schema of every message and manifest into edgeclip/contract/schemas/."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from edgeclip.contract.alarms import Alarm
from edgeclip.contract.attributes import PackAttributes
from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.carried import Carried
from edgeclip.contract.commands import Command, Envelope, Reply
from edgeclip.contract.detection import Detection
from edgeclip.contract.files import write_text
from edgeclip.contract.health import Health
from edgeclip.contract.logbook import ClockFix, Log
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.receipts import Receipt
from edgeclip.contract.reports import Info, Status

MODELS: dict[str, type[BaseModel]] = {
    "alarm-1": Alarm,
    "attributes-1": PackAttributes,
    "bundle-2": BundleManifest,
    "carried-1": Carried,
    "clockfix-1": ClockFix,
    "command-1": Command,
    "detection-1": Detection,
    "envelope-1": Envelope,
    "health-1": Health,
    "info-1": Info,
    "log-1": Log,
    "pack-1": PackManifest,
    "receipt-1": Receipt,
    "reply-1": Reply,
    "status-1": Status,
}
FOLDER = Path(__file__).parents[1] / "edgeclip/contract/schemas"


def schema_text(model: type[BaseModel]) -> str:
    """Return a model's JSON Schema as indented, sorted JSON."""
    return json.dumps(model.model_json_schema(by_alias=True), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all schemas."""
    for name, model in MODELS.items():
        write_text(FOLDER / f"{name}.json", schema_text(model))
        print(f"wrote {FOLDER.name}/{name}.json")


if __name__ == "__main__":
    main()
