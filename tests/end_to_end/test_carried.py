"""What waits on a device that no link reaches is carried to its dashboard by hand."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.carried import DETECTIONS_FILE, HEADER_FILE, Carried
from edgeclip.contract.detection import new_id
from edgeclip_device.config import MediaSettings, OutboxSettings
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from support.clocks import StandingClock
from support.drawn_clips import ground
from support.processes import complete
from support.samples import detection

IDS = [new_id(n) for n in range(4)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with four detections, the first with a snapshot."""
    made = Attachment(0, encode(ground(), "full", MediaSettings()))
    with closing(Outbox(tmp_path / "state", OutboxSettings(), StandingClock())) as outbox:
        first = detection(detection_id=IDS[0]).model_copy(update={"media": [made.ref]})
        outbox.emit(first, [made])
        outbox.emit(detection(detection_id=IDS[1]).model_copy(update={"severity": "routine"}))
        for item in IDS[2:]:
            outbox.emit(detection(detection_id=item))
    return tmp_path / "state"


def _export(state: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return complete("outbox", "export", out, "--state", state)


def _import(out: Path, folder: Path, project: str = "demo") -> subprocess.CompletedProcess[str]:
    store = ["--database", str(folder / "d.sqlite"), "--media", str(folder / "media")]
    command = ["-m", "edgeclip_dashboard.cli", "import", str(out), "--project", project, *store]
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_what_waits_reaches_the_dashboard_once_and_stays_in_the_outbox(
    state: Path, tmp_path: Path
) -> None:
    out, dashboard = tmp_path / "ridge.zip", tmp_path / "dashboard"
    done = _export(state, out)
    assert (done.returncode, "4 detections and 1 snapshots" in done.stdout) == (0, True), done
    first = _import(out, dashboard)
    assert first.stdout == (
        "4 detections are new, 0 were known; 1 snapshots are here, 0 messages refused\n"
    ), first
    again = _import(out, dashboard)
    assert again.stdout.startswith("0 detections are new, 4 were known")
    with closing(sqlite3.connect(dashboard / "d.sqlite")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM detections").fetchone()
    assert count == 4
    assert len(list((dashboard / "media").rglob("*.jpg"))) == 1
    with closing(Outbox(state, OutboxSettings(), StandingClock())) as outbox:
        assert outbox.waiting() == (4, 1)


def test_the_file_says_whose_it_is_and_that_it_comes_late(state: Path, tmp_path: Path) -> None:
    _export(state, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        header = Carried.model_validate_json(archive.read(HEADER_FILE))
        lines = archive.read(DETECTIONS_FILE).splitlines()
    assert (header.project, header.device_id, header.detections) == ("demo", "jetson-1", 4)
    assert all(json.loads(line)["historical"] for line in lines)


def test_a_file_that_is_there_is_not_written_over_and_an_empty_outbox_makes_none(
    state: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.zip").write_text("another")
    done = _export(state, tmp_path / "x.zip")
    assert (done.returncode, "is there already" in done.stderr) == (4, True)
    assert (tmp_path / "x.zip").read_text() == "another"
    Outbox(tmp_path / "empty", OutboxSettings(), StandingClock()).close()
    assert _export(tmp_path / "empty", tmp_path / "y.zip").stdout == "nothing waits\n"
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["x.zip"]


def test_a_folder_that_takes_no_file_is_named(state: Path, tmp_path: Path) -> None:
    done = _export(state, tmp_path / "no" / "x.zip")
    assert (done.returncode, "x.zip cannot be written" in done.stderr) == (4, True)
    done = _export(tmp_path / "nothing", tmp_path / "x.zip")
    assert (done.returncode, "holds no outbox" in done.stderr) == (4, True)


@pytest.mark.parametrize("damage", ["no zip", "no header", "other project", "cut", "rubbish rows"])
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    state: Path, tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "x.zip"
    _export(state, out)
    if damage == "no zip":
        out.write_bytes(b"rubbish" * 1000)
    elif damage == "cut":
        out.write_bytes(out.read_bytes()[:-100])
    elif damage in ("no header", "rubbish rows"):
        with zipfile.ZipFile(out) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts[DETECTIONS_FILE] = b"\xff{\n" * 3
        if damage == "no header":
            del parts[HEADER_FILE]
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
    done = _import(out, tmp_path / "d", "else" if damage == "other project" else "demo")
    if damage == "rubbish rows":
        assert done.stdout.endswith("3 messages refused\n"), done
    else:
        assert done.returncode == 4
        assert len(done.stderr.strip().splitlines()) == 1
        assert "x.zip" in done.stderr
        is_another = "is no file of `edgeclip-device outbox export`" in done.stderr
        assert is_another == (damage == "no header")


def test_a_file_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    done = _import(tmp_path / "x.zip", tmp_path / "d")
    assert done.returncode == 4
    assert "x.zip is no file: name one of `edgeclip-device outbox export`" in done.stderr
