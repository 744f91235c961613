from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import OutboxSettings
from edgeclip_device.outbox import Outbox
from support.brokers import Broker, free_port
from support.processes import complete
from support.receivers import receiving

COMMANDS = ["detect", "uplink", "run", "replay", "outbox status", "outbox export", "check-config"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = complete(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_replay_prints_what_it_saw_and_that_nothing_was_sent(
    bundle: Path, crossing_clip: Path, tmp_path: Path
) -> None:
    done = complete("replay", crossing_clip, "--bundle", bundle, "--state", tmp_path / "state")
    assert done.returncode == 0
    assert "leopard" in done.stdout
    assert re.search(r"nothing: no --broker", done.stdout)


def test_replay_as_json_can_be_read_by_a_machine(
    bundle: Path, crossing_clip: Path, tmp_path: Path
) -> None:
    done = complete(
        "replay", crossing_clip, "--bundle", bundle, "--state", tmp_path / "state", "--json",
        "--start", "2026-05-01T12:00:00Z",
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert document["gate"]["frames"] == 60
    found = Detection.model_validate(document["detections"][0]["detection"])
    assert found.class_name == "leopard"
    assert document["latency_ms"]["frame to commit"]["p50"] > 0
    assert document["detections"][0]["read_at"].endswith("Z")


@pytest.mark.broker
def test_replay_with_a_broker_ends_with_0_only_when_all_is_receipted(
    bundle: Path, crossing_clip: Path, broker: Broker
) -> None:
    arguments = (
        "replay", crossing_clip, "--bundle", bundle, "--broker", broker.url,
        "--device-id", "jetson-1", "--wait-s",
    )  # fmt: skip
    with receiving(broker):
        done = complete(*arguments, "30")
    assert (done.returncode, done.stderr.count("error:")) == (0, 0)
    alone = complete(*arguments, "1")
    assert alone.returncode == 4
    assert "is a dashboard of this project connected" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["replay", "CLIP"], 2, r"\[inference\]\.bundle is missing"),
        (["replay", "CLIP", "--bundle", "none"], 5, "edgeclip-export bundle"),
        (["replay", "none.mp4", "--bundle", "BUNDLE"], 4, "there is no none.mp4"),
        (
            ["replay", "CLIP", "--bundle", "BUNDLE", "--broker", "localhost"],
            2,
            "error: --broker: a broker is mqtt://HOST",
        ),
        (["replay", "CLIP", "--bundle", "BUNDLE", "--votes", "two"], 2, "expected N/M"),
        (
            ["replay", "CLIP", "--bundle", "BUNDLE", "--votes", "3/2"],
            2,
            "error: --votes: frames = 3 of 2 can never",
        ),
        (["replay", "CLIP", "--bundle", "BUNDLE", "--start", "noon"], 2, "expected a time"),
        (["replay", "CLIP", "--bundle", "BUNDLE", "--start", "2026-05-01T12:00"], 2, "time zone"),
        (["replay", "CLIP", "--bundle", "BUNDLE", "--speed", "-1"], 2, "speed"),
        (["replay", "CLIP", "--bundle", "BUNDLE", "--task", "wolf"], 5, "it has leopard, trio"),
        (
            ["replay", "CLIP", "--bundle", "BUNDLE", "--motion", "yolo"],
            2,
            "error: --motion: Input should be 'mog2'",
        ),
        (
            ["replay", "CLIP", "--bundle", "BUNDLE", "--device-id", "My Jetson"],
            2,
            "error: --device-id: ",
        ),
        (["detect"], 2, r"\[inference\]\.bundle is missing"),
        (["detect", "--bundle", "BUNDLE"], 2, r"\[camera\]\.source is missing"),
        (["uplink"], 2, r"\[mqtt\]\.url is missing"),
        (["uplink", "--config", "none.toml"], 2, "cannot be read"),
        (["outbox", "status", "--state", "none"], 4, "holds no outbox"),
        (["check-config", "none.toml"], 2, "cannot be read"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(
    bundle: Path, crossing_clip: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    places = {"CLIP": str(crossing_clip), "BUNDLE": str(bundle)}
    given = [places.get(item, item) for item in arguments]
    if arguments[0] in ("detect", "replay", "uplink"):
        given += ["--state", str(tmp_path / "state")]
    done = complete(*given)
    assert done.returncode == code
    assert re.search(words, " ".join(done.stderr.split()))
    assert "Traceback" not in done.stderr
    if arguments[0] == "replay":
        assert done.stderr.startswith("error: ")  # and nothing before it that says the same
        assert done.stderr.count("\n") == 1


def test_a_state_folder_that_cannot_be_written_says_so(
    bundle: Path, crossing_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = complete("replay", crossing_clip, "--bundle", bundle, "--state", tmp_path / "file/state")
    assert done.returncode == 4
    assert "name another one with --state" in done.stderr


def test_outbox_status_shows_what_a_replay_left(
    bundle: Path, crossing_clip: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    complete("replay", crossing_clip, "--bundle", bundle, "--state", state)
    document = json.loads(complete("outbox", "status", "--state", state, "--json").stdout)
    assert (document["rows"], document["open_visits"]) == (2, 0)
    table = complete("outbox", "status", "--state", state)
    assert re.search(r"detections\s.*2, the oldest of", table.stdout)
    assert f"Outbox, epoch {document['epoch']}\n" in re.sub(r" +\n", "\n", table.stdout)


def test_the_title_of_an_empty_outbox_stands_in_one_line(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "state", OutboxSettings(), SystemClock())):
        pass
    table = complete("outbox", "status", "--state", tmp_path / "state").stdout.splitlines()
    assert re.fullmatch(r"Outbox, epoch [0-9a-f-]{36}", table[0].strip())


def test_a_detect_that_names_no_bundle_leaves_no_state_folder(tmp_path: Path) -> None:
    done = complete("detect", "--state", tmp_path / "state")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("edgeclip", "edgeclip"),
        ("edgeclip_export", "edgeclip-export"),
        ("edgeclip_device", "edgeclip-device"),
        ("edgeclip_dashboard", "edgeclip-dashboard"),
    ],
)
def test_every_program_tells_its_version(module: str, name: str) -> None:
    script = f"from {module}.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{name} {version('edgeclip')}\n"
    helped = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True
    )
    assert "--version" in helped.stdout


def test_check_config_prints_what_would_be_used_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text('project = "ridge"\n')
    script = "from edgeclip_device.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "check-config", str(file)],
        env={"EDGECLIP_MQTT_USERNAME": "jetson-1", "EDGECLIP_MQTT_PASSWORD": "hunter2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"project": "ridge"' in done.stdout
    assert "mqtt user name: jetson-1; password: set, not shown" in done.stdout
    assert "hunter2" not in done.stdout


def test_a_broker_that_is_not_there_keeps_everything_and_says_where(
    bundle: Path, crossing_clip: Path, tmp_path: Path
) -> None:
    done = complete(
        "replay", crossing_clip, "--bundle", bundle, "--state", tmp_path / "state",
        "--broker", f"mqtt://127.0.0.1:{free_port()}", "--wait-s", "1",
    )  # fmt: skip
    assert done.returncode == 4
    assert "2 revisions and" in done.stderr
    assert str(tmp_path / "state") in done.stderr
