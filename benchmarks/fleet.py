"""Measure the dashboard with a fleet of a thousand simulated devices, alone and as two instances.

Everything runs on one machine and shares its cores with the fleet itself: figures of one run stand
beside each other, not beside those of another machine. `--quick` takes a minute and shows that all
of it works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import func, select

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the broker and the server are the tests' own

from benchmarks.dashboard import latencies, open_page, summary  # noqa: E402 - after the path
from benchmarks.fleet_case.filling import SPECIES, fill  # noqa: E402 - likewise
from benchmarks.fleet_case.pages import page_times  # noqa: E402 - likewise
from benchmarks.fleet_case.wishing import wish  # noqa: E402 - likewise
from edgeclip_dashboard.database import database_url, open_database  # noqa: E402 - likewise
from edgeclip_dashboard.models import DetectionRow, OutboxRow, Revision  # noqa: E402 - likewise
from support.brokers import Broker, running_broker  # noqa: E402 - likewise
from support.dashboards import Dashboard, running_dashboard  # noqa: E402 - likewise
from support.postgres import Postgres, running_postgres  # noqa: E402 - likewise

RESULTS = ROOT / "benchmarks/results/fleet.json"
_BROKER = ("max_queued_messages 1000000", "max_connections -1")
_PAGES = {
    "newest": "/",
    "one_species": f"/?class_names={SPECIES[0]}",
    "one_place_at_night": "/?deployment_ids=place-7&light=night",
    "likely": "/?min_probability=0.95",
}
_FIELD_PAGES = {"devices": "/devices", "desired": "/desired"}


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        devices: Of the fleet.
        each: Detections that each sends at full speed.
        steady: Detections with a snapshot, five a second, with a page open.
        season: Detections in the database whose pages are opened.
        repeats: How often each page is loaded.
        commands: To each device, where the pages of devices are opened.
    """

    devices: int
    each: int
    steady: int
    season: int
    repeats: int
    commands: int


FULL = Size(devices=1000, each=20, steady=100, season=100_000, repeats=5, commands=40)
QUICK = Size(devices=40, each=5, steady=10, season=3000, repeats=1, commands=8)


@contextmanager
def _world(folder: Path, database: str, count: int) -> Iterator[tuple[Broker, list[Dashboard]]]:
    """Yield a broker and dashboards that are connected to it; more than one share the load."""
    options = ["--auth", "none", "--database", database]
    options += ["--shared-group", "fleet"] if count > 1 else []
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(folder / "broker", settings=_BROKER))
        running = []
        for number in range(count):
            command = (*options, "--dashboard-id", f"instance-{number}")
            running.append(stack.enter_context(running_dashboard(folder, broker.url, *command)))
        for dashboard in running:
            dashboard.wait_online()
        yield broker, running


def _crowd(broker: Broker, size: Size) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.fleet_case.crowd", "--port", str(broker.port)]
    command += ["--devices", str(size.devices), "--detections", str(size.each)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _told(crowd: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = crowd.communicate()
    if crowd.returncode:
        raise SystemExit("the fleet ended before its time: see above")
    figures: dict[str, Any] = json.loads(out)
    return figures


def _memory_mb(dashboard: Dashboard) -> float:
    """Return the most memory that a dashboard has had."""
    status = Path(f"/proc/{dashboard.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024, 1)


def _kept(database: str, expected: int) -> dict[str, int]:
    """Return how many detections of the fleet are missing in a database, and there twice."""
    with open_database(database_url(database), project="demo") as engine, engine.connect() as read:
        fleet = DetectionRow.device_id.like("fleet-%")
        found = read.scalar(select(func.count()).select_from(DetectionRow).where(fleet)) or 0
        of_fleet = OutboxRow.device_id.like("fleet-%")
        rows = read.scalar(select(func.count()).select_from(OutboxRow).where(of_fleet)) or 0
        ids = select(DetectionRow.detection_id).where(fleet)
        revisions = select(func.count()).where(Revision.detection_id.in_(ids))
        doubled = max(found, read.scalar(revisions) or 0) - expected
    return {"lost": expected - min(found, rows), "doubled": max(0, doubled)}


def alone(folder: Path, database: str, size: Size) -> dict[str, Any]:
    """Return the figures of one dashboard."""
    with _world(folder, database, 1) as (broker, [dashboard]):
        figures = _told(_crowd(broker, size))
        with open_page(dashboard.url):
            waits = latencies(dashboard, broker, size.steady)
        figures |= {name: summary(values) for name, values in waits.items()}
        figures["memory_mb"] = _memory_mb(dashboard)
    return figures | _kept(database, size.devices * size.each)


def together(folder: Path, database: str, size: Size, *, kills: bool) -> dict[str, Any]:
    """Return the figures of two dashboards that share the load; one may be killed half way."""
    with _world(folder, database, 2) as (broker, both):
        crowd = _crowd(broker, size)
        if kills:
            _wait_for_half(both, size)
            both[0].kill()
        figures = _told(crowd)
        left = both[1:] if kills else both
        figures["memory_mb"] = [_memory_mb(dashboard) for dashboard in left]
        figures["stored_by_each"] = [_stored(dashboard) for dashboard in left]
    return figures | _kept(database, size.devices * size.each)


def _stored(dashboard: Dashboard) -> int:
    return int(dashboard.health()["since_start"]["detections"])


def _wait_for_half(both: list[Dashboard], size: Size) -> None:
    while sum(map(_stored, both)) < size.devices * size.each // 2:
        time.sleep(0.05)


def season(folder: Path, database: str, size: Size) -> dict[str, Any]:
    """Return how soon pages show that list a season's detections."""
    with open_database(database_url(database), project="demo") as engine:
        fill(engine, size.season)
    with _world(folder, database, 1) as (_, [dashboard]):
        times = page_times(dashboard.url, _PAGES, folder, repeats=size.repeats)
        return {"detections": size.season, **times, "memory_mb": _memory_mb(dashboard)}


def desired(folder: Path, database: str, size: Size) -> dict[str, Any]:
    """Return how soon the pages show that list each device with what it was sent."""
    with open_database(database_url(database), project="demo") as engine:
        commands = wish(engine, devices=size.devices, commands=size.commands)
    with _world(folder, database, 1) as (_, [dashboard]):
        card = ".device-cards > *"
        times = page_times(dashboard.url, _FIELD_PAGES, folder, repeats=size.repeats, card=card)
        return {"commands": commands, **times, "memory_mb": _memory_mb(dashboard)}


def measure(size: Size, server: Postgres, folder: Path) -> dict[str, Any]:
    """Return all figures of one run."""

    def place(name: str) -> tuple[Path, str]:
        (folder / name).mkdir()
        return folder / name, str(folder / name / "detections.sqlite")

    def served(name: str) -> tuple[Path, str]:
        return place(name)[0], server.new_database()

    return {
        "machine": {
            "cpus": os.cpu_count(),
            "arch": platform.machine(),
            "python": platform.python_version(),
        },
        "devices": size.devices,
        "one_on_sqlite": alone(*place("one-sqlite"), size),
        "one_on_postgresql": alone(*served("one-postgresql"), size),
        "two_on_postgresql": together(*served("two"), size, kills=False),
        "one_of_two_killed": together(*served("killed"), size, kills=True),
        "season_on_sqlite": season(*place("season-sqlite"), size),
        "season_on_postgresql": season(*served("season-postgresql"), size),
        "desired_on_sqlite": desired(*place("desired-sqlite"), size),
        "desired_on_postgresql": desired(*served("desired-postgresql"), size),
    }


def main() -> None:
    """Measure, print and write benchmarks/results/fleet.json; exit code 3 for a loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, and nothing is written")
    parser.add_argument("--devices", type=int, help="instead of 1000")
    given = parser.parse_args()
    size = QUICK if given.quick else FULL
    if given.devices:
        size = replace(size, devices=given.devices)
    with tempfile.TemporaryDirectory() as name, running_postgres(durable=True) as server:
        figures = measure(size, server, Path(name))
    Console().print_json(data=figures)
    if not given.quick:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    runs = [value for value in figures.values() if isinstance(value, dict) and "lost" in value]
    if any(run["lost"] or run["doubled"] for run in runs):
        raise SystemExit(3)


if __name__ == "__main__":
    main()
