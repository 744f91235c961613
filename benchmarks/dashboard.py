"""Measure the dashboard over a loopback mosquitto: detections a second, and how soon each shows.

All figures are of one run on one machine; rates are given beside that of the broker alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the device's end of the link is the tests' own

from support.brokers import Broker, running_broker  # noqa: E402 - after the path
from support.dashboards import (  # noqa: E402 - likewise
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
)

RESULTS = ROOT / "benchmarks/results/dashboard.json"
PATIENCE_S = 60.0
_OPEN = ("--auth", "none")  # the page is opened without a person


def broker_alone(broker: Broker, count: int) -> float:
    """Return QoS 1 publishes acknowledged a second, with nobody subscribed."""
    with field_device(broker.url, "alone") as device:
        payloads = [device.sample(seq=seq).to_json() for seq in range(1, count + 1)]
        topic = device.topics.detection("alert")
        began = time.perf_counter()
        sent = [device.publish_soon(topic, payload) for payload in payloads]
        for info in sent:
            info.wait_for_publish(PATIENCE_S)
        return count / (time.perf_counter() - began)


def throughput(dashboard: Dashboard, broker: Broker, count: int) -> float:
    """Return detections stored and receipted a second, sent as fast as the broker takes them."""
    dashboard.wait_online()
    with field_device(broker.url, "fast") as device:
        payloads = [device.sample(seq=seq).to_json() for seq in range(1, count + 1)]
        topic = device.topics.detection("alert")
        began = time.perf_counter()
        for payload in payloads:
            device.publish_soon(topic, payload)
        eventually(
            lambda: any(receipt.received_upto == count for receipt in device.seen()[-3:]),
            what="all rows are receipted",
            patience_s=PATIENCE_S,
        )
        return count / (time.perf_counter() - began)


def latencies(dashboard: Dashboard, broker: Broker, count: int) -> dict[str, list[float]]:
    """Return milliseconds from publish to receiving, and from there, over the commit, to the page.

    Detections with a snapshot, five a second, so that none waits for another.
    """
    published: dict[str, float] = {}
    with field_device(broker.url, "steady") as device:
        for seq in range(1, count + 1):
            _send_one(device, seq, published)
            time.sleep(0.2)
        eventually(lambda: device.is_receipted(count), what="all rows are receipted")
    time.sleep(1)
    rows = [row for row in dashboard.detections() if row["detection_id"] in published]
    received = {row["detection_id"]: _seconds(row["first_received_at"]) for row in rows}
    to_received = [1000 * (received[key] - published[key]) for key in received]
    shown = [row for row in rows if row["first_shown_at"]]
    to_page = [1000 * (_seconds(r["first_shown_at"]) - received[r["detection_id"]]) for r in shown]
    return {"publish_to_received_ms": to_received, "received_to_page_ms": to_page}


def _send_one(device: FieldDevice, seq: int, published: dict[str, float]) -> None:
    data = jpeg(seq, (640, 400))
    detection = device.sample(seq=seq, media=[media_ref(data)])
    published[detection.detection_id] = time.time()
    device.send(detection)
    device.send_media(detection, data)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@contextmanager
def open_page(url: str) -> Iterator[None]:
    """Keep the page open in a headless Chromium."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking",
                     "disable-component-update", "disable-sync", "no-first-run",
                     f"user-data-dir={profile}"):  # fmt: skip
            options.add_argument(f"--{flag}")
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        browser = webdriver.Chrome(options=options, service=service)
        try:
            browser.get(url)
            time.sleep(2)
            yield
        finally:
            browser.quit()


def summary(values: list[float]) -> dict[str, float | int | None]:
    """Return count, median and 95th percentile."""
    if not values:
        return {"count": 0, "p50": None, "p95": None}
    p50, p95 = (round(float(np.percentile(values, q)), 1) for q in (50, 95))
    return {"count": len(values), "p50": p50, "p95": p95}


def measure(count: int, steady: int) -> dict[str, Any]:
    """Return all figures of one run."""
    has_browser = bool(shutil.which("chromium") and shutil.which("chromedriver"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_broker(folder / "broker", settings=("max_queued_messages 1000000",)) as broker:
            alone = broker_alone(broker, count)
            with running_dashboard(folder / "fast", broker.url, *_OPEN) as dashboard:
                stored = throughput(dashboard, broker, count)
            with running_dashboard(folder / "steady", broker.url, *_OPEN) as dashboard:
                dashboard.wait_online()
                with open_page(dashboard.url) if has_browser else nullcontext():
                    told = latencies(dashboard, broker, steady)
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "arch": platform.machine(),
            "python": platform.python_version(),
        },
        "detections": count,
        "broker_alone_per_s": round(alone),
        "stored_and_receipted_per_s": round(stored),
        "ratio_to_broker_alone": round(stored / alone, 3),
        "page_open": has_browser,
        **{key: summary(values) for key, values in told.items()},
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    table = Table(title="dashboard over a loopback mosquitto, one run")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in figures.items():
        is_spread = isinstance(value, dict) and "p50" in value
        spread = "p50 {p50}  p95 {p95}  (n {count})"
        table.add_row(key, spread.format(**value) if is_spread else str(value))
    Console().print(table)


def main() -> None:
    """Measure, print and write benchmarks/results/dashboard.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="detections sent at full speed")
    parser.add_argument("--steady", type=int, default=100, help="detections sent five a second")
    arguments = parser.parse_args()
    if shutil.which("mosquitto") is None:
        raise SystemExit("mosquitto is not on PATH: install it to measure the dashboard")
    figures = measure(arguments.count, arguments.steady)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures)


if __name__ == "__main__":
    main()
