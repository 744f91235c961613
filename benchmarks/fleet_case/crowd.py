"""A thousand simulated devices in one thread, a process of their own: prints what they saw.

python -m benchmarks.fleet_case.crowd --port 1883 --devices 1000 --detections 20
"""

from __future__ import annotations

import argparse
import json
import selectors
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # a detection is made by the tests' own samples

from benchmarks.fleet_case.devices import Counted, Load, SimulatedDevice  # noqa: E402 - likewise

_MOST_CONNECTING = 50  # at once: a broker's backlog of connections is short


def run(host: str, port: int, devices: int, load: Load, *, most_s: float) -> dict[str, object]:
    """Send everything and wait for its receipts; return rates and waits.

    Args:
        host: The broker's.
        port: The broker's.
        devices: How many.
        load: What each does.
        most_s: When to give up; what has no receipt then is counted.
    """
    counted = Counted()
    fleet = [SimulatedDevice(number, load, counted) for number in range(devices)]
    selector = selectors.DefaultSelector()
    _connect(fleet, host, port, selector)
    began = time.monotonic()
    while not all(device.is_done for device in fleet) and time.monotonic() - began < most_s:
        now = time.monotonic()
        for device in fleet:
            device.work(now)
        _serve(fleet, selector, 0.01)
    for device in fleet:
        device.client.disconnect()
        device.client.loop_write()
    return _figures(counted, began, devices * load.detections)


def _connect(
    fleet: list[SimulatedDevice], host: str, port: int, selector: selectors.DefaultSelector
) -> None:
    for first in range(0, len(fleet), _MOST_CONNECTING):
        group = fleet[first : first + _MOST_CONNECTING]
        for device in group:
            device.connect(host, port)
            if (connection := device.client.socket()) is None:
                raise SystemExit("the broker closed a connection: see its log")
            selector.register(connection.fileno(), selectors.EVENT_READ, device)
        while not all(device.is_ready for device in group):
            _serve(group, selector, 0.01)


def _serve(
    fleet: list[SimulatedDevice], selector: selectors.DefaultSelector, wait_s: float
) -> None:
    for key, _ in selector.select(wait_s):
        device: SimulatedDevice = key.data
        device.client.loop_read()
        if device.client.socket() is None:
            raise SystemExit("the broker closed a connection: see its log")
    for device in fleet:
        if device.client.want_write():
            device.client.loop_write()


def _figures(counted: Counted, began: float, expected: int) -> dict[str, object]:
    done = len(counted.receipted_at)
    took_s = max(counted.receipted_at, default=began) - began
    waits = np.percentile(counted.waited_s, (50, 95)) if done else (0.0, 0.0)
    return {
        "detections": expected,
        "receipted": done,
        "per_s": round(done / took_s, 1) if took_s else 0.0,
        "resent": counted.resent,
        "to_receipt_p50_ms": round(float(waits[0]) * 1000),
        "to_receipt_p95_ms": round(float(waits[1]) * 1000),
    }


def main() -> None:
    """Run and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--detections", type=int, default=20, help="of each device")
    parser.add_argument("--window", type=int, default=2, help="rows without a receipt, each")
    parser.add_argument("--resend-s", type=float, default=10.0)
    parser.add_argument("--most-s", type=float, default=300.0)
    given = parser.parse_args()
    load = Load(given.detections, given.window, given.resend_s)
    print(json.dumps(run("127.0.0.1", given.port, given.devices, load, most_s=given.most_s)))


if __name__ == "__main__":
    main()
