"""A whole project on this machine for the pictures: pack, bundle, broker, dashboard, devices.

All of it is the real thing: the commands that a person types, mosquitto, and `edgeclip-device`
over drawn clips. The processes are started as the tests start them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from scripts.pictures.visits import CLIPS, DEVICES, PLACES, VISITS
from support.brokers import running_broker
from support.dashboards import PROJECT, Dashboard, eventually, running_dashboard
from support.processes import running

_SPECIES = ("leopard", "impala", "spotted hyena")
_HEALTH_S = 25.0  # some rounds of health, for the charts of a device's page
_DEVICE = """device_id = "{device}"
project = "{project}"
deployment_id = "{deployment}"
state = "{state}"
[camera]
camera_id = "{device}"
source = "{source}"
watch = true
time_zone = "Africa/Nairobi"
[inference]
bundle = "{bundle}"
backend = "onnxruntime"
[visits]
routine_classes = ["impala", "spotted hyena"]
[health]
interval_s = 10.0
[mqtt]
url = "{broker}"
"""


@dataclass(frozen=True)
class World:
    """What there is to take pictures of.

    Attributes:
        folder: Holds `pack/report`, `look/sheets` and all else that was made.
        dashboard: Serves; its devices have told all visits.
    """

    folder: Path
    dashboard: Dashboard

    @property
    def report(self) -> Path:
        """The page of the training."""
        return self.folder.absolute() / "pack/report/index.html"


@contextmanager
def world(folder: Path, say: Callable[[str], None]) -> Iterator[World]:
    """Yield a project whose visits have been told, and one of whose devices is at work.

    Args:
        folder: Empty; best relative, since pages show where a device's files lie.
        say: Told each stage.
    """
    say("drawing, training, exporting")
    _learn(folder)
    say(f"watching {len(VISITS)} visits")
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(folder / "broker")).url
        dashboard = stack.enter_context(running_dashboard(folder, broker))
        dashboard.wait_online()
        (folder / "places.csv").write_text(PLACES)
        store = ("--project", PROJECT, "--database", folder / "detections.sqlite")
        _run("edgeclip_dashboard", "places", "import", folder / "places.csv", *store)
        _watch(folder, broker)
        stack.enter_context(_living_devices(folder, dashboard))
        yield World(folder, dashboard)


def _learn(folder: Path) -> None:
    species = [word for name in _SPECIES for word in ("--species", name)]
    _run(
        "edgeclip", "data", "render", folder / "season", "--locations", 12, "--images", 36, *species
    )
    card = ("--locations", 6, "--first-location", 100, "--images", 24)
    _run("edgeclip", "data", "render", folder / "week", *card, *species)
    quick = (
        "--task",
        "wildlife",
        "--method",
        "proker",
        "--folds",
        3,
        "--views",
        4,
        "--strip-bottom-px",
        24,
    )
    pack = folder / "pack"
    table = folder / "season/labels.csv"
    _run("edgeclip", "train", "--data", table, "--backbone", "demo", *quick, "--out", pack)
    look = ("--out", folder / "look", "--format", "sheets")
    _run("edgeclip", "predict", folder / "week/images", "--pack", pack, *look)
    _run("edgeclip_export", "bundle", "--pack", pack, "--out", folder / "bundle")


def _watch(folder: Path, broker: str) -> None:
    """Let devices watch all visits but the last, each in the order of its time."""
    for name, clip in CLIPS.items():
        clip.write(folder / f"{name}.mp4")
    for device, deployment in DEVICES.items():
        _config(folder, device).write_text(_settings(folder, broker, device, deployment))
    today = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    for number, (days, hour, name, device) in enumerate(VISITS[:-1]):
        start = today.replace(hour=hour) - timedelta(days=days) + timedelta(minutes=7 * number % 50)
        given = ("--config", _config(folder, device), "--start", start.isoformat())
        _run("edgeclip_device", "replay", folder / f"{name}.mp4", *given)


@contextmanager
def _living_devices(folder: Path, dashboard: Dashboard) -> Iterator[None]:
    """Keep all devices connected, and one at work, which tells the last visit."""
    _, _, name, device = VISITS[-1]
    (folder / "incoming").mkdir()
    before, log = len(dashboard.detections()), folder / "devices.log"
    with ExitStack() as stack:
        for each in DEVICES:
            stack.enter_context(running("uplink", "--config", _config(folder, each), log=log))
        stack.enter_context(running("detect", "--config", _config(folder, device), log=log))
        clip = (folder / f"{name}.mp4").read_bytes()
        (folder / "incoming" / "visit.mp4").write_bytes(clip)
        eventually(
            lambda: len(dashboard.detections()) > before, what="the last visit", patience_s=120
        )
        time.sleep(_HEALTH_S)
        yield


def _config(folder: Path, device: str) -> Path:
    return folder / f"{device}.toml"


def _settings(folder: Path, broker: str, device: str, deployment: str) -> str:
    return _DEVICE.format(
        device=device,
        project=PROJECT,
        deployment=deployment,
        state=folder / f"state-{device}",
        source=folder / "incoming",
        bundle=folder / "bundle",
        broker=broker,
    )


def _run(program: str, *words: object) -> None:
    """Run a command of ours to its end.

    Raises:
        RuntimeError: It failed; the message holds what it printed.
    """
    command = [sys.executable, "-m", f"{program}.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed:\n{done.stdout}{done.stderr}")
