"""The device's two processes, on a clock that the chaos run sets.

    python -m benchmarks.chaos_case.device emit|uplink ORDER.json

The uplink is the product's own; what emits writes into the product's own outbox, as fast as it is
told. Row n holds detection n of the seed, so that after a kill it goes on where the outbox ends.
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from edgeclip.contract.detection import Detection, Time
from edgeclip_device import database
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import MediaSettings, OutboxSettings, load_settings
from edgeclip_device.locks import only_process
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.services import run_uplink
from edgeclip_device.wakeup import Bell

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the sample is the tests' own

from support.samples import detection

ALERT_EVERY = 4
SNAPSHOT_EVERY = 10
_LOOK_S = 0.02


@dataclass(frozen=True)
class Order:
    """What a process is told.

    Attributes:
        config: device.toml.
        state: The state folder that it names.
        clock: Holds the seconds by which the device's clock is wrong.
        gate: Holds the number of the last detection that may be committed for now.
        committed: Gets a line for each detection once `emit` has returned.
        seed: Of the detections.
        upto: Number of the last detection.
        rate: Detections a second.
    """

    config: str
    state: str
    clock: str
    gate: str
    committed: str
    seed: int
    upto: int
    rate: float

    def write(self, file: Path) -> Path:
        """Write it for a process to read."""
        file.write_text(json.dumps(asdict(self)))
        return file


class WrongClock(SystemClock):
    """The machine's clock, off by what a file says."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def now(self) -> datetime:
        """Return the wall time of a device whose clock is wrong."""
        return super().now() + timedelta(seconds=float(self._file.read_text()))


def id_of(seed: int, number: int) -> str:
    """Return the detection id of a number: the same for the same seed."""
    return str(uuid.UUID(int=random.Random(f"{seed}/{number}").getrandbits(128), version=4))


def emit(order: Order) -> None:
    """Commit the detections that the outbox does not have yet, one after the other."""
    state, clock = Path(order.state), WrongClock(Path(order.clock))
    with only_process(state, "detect"), Path(order.committed).open("a") as committed:
        outbox, bell = Outbox(state, OutboxSettings(), clock), Bell(state)
        for number in range(_last_row(outbox) + 1, order.upto + 1):
            while number > int(Path(order.gate).read_text()):
                time.sleep(_LOOK_S)
            attachments = _snapshots(order.seed, number)
            made = _made(order.seed, number, attachments, clock)
            seq = outbox.emit(made, attachments)
            committed.write(f"{seq} {made.detection_id} {clock.now().year}\n")
            committed.flush()
            bell.ring()
            time.sleep(1 / order.rate)


def _last_row(outbox: Outbox) -> int:
    rows = database.query(outbox.connection, "SELECT seq FROM sqlite_sequence WHERE name='outbox'")
    return max((int(seq) for (seq,) in rows), default=0)


def _made(seed: int, number: int, attachments: list[Attachment], clock: WrongClock) -> Detection:
    at, trust = clock.now(), clock.trust()
    at_or_none = at if trust.trusted else None
    return detection(detection_id=id_of(seed, number)).model_copy(
        update={
            "severity": "routine" if number % ALERT_EVERY else "alert",
            "media": [item.ref for item in attachments],
            "time": Time(
                started_at=at_or_none,
                best_at=at_or_none,
                ended_at=None,
                boot_ns=clock.boot_ns(),
                clock=trust,
            ),
        }
    )


def _snapshots(seed: int, number: int) -> list[Attachment]:
    if number % SNAPSHOT_EVERY:
        return []
    noise = np.random.default_rng([seed, number])
    image = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return [Attachment(0, encode(image, "full", MediaSettings()))]


def main() -> None:
    """Run the process that is named until it is done or killed."""
    command, file = sys.argv[1:]
    order = Order(**json.loads(Path(file).read_text()))
    if command == "emit":
        emit(order)
    else:
        run_uplink(load_settings(Path(order.config), {}), WrongClock(Path(order.clock)))


if __name__ == "__main__":
    main()
