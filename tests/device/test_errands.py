from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from edgeclip.contract.commands import Role
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError
from edgeclip_device.backlog import Backlog
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import Desired, DesiredFile, with_desired
from edgeclip_device.detect import detect
from edgeclip_device.facts import APPLIED
from edgeclip_device.log_ring import attached_ring
from support.commanders import Commander
from support.drawn_clips import crossing, write_video
from support.fields import Field, watching
from support.receivers import eventually
from support.tiny_bundle import TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]
TOPICS = DeviceTopics("demo", "jetson-1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thousands of small frames: detect is busy with them for longer than a test takes."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write_video(path, crossing() * 60)


@pytest.fixture
def field(make_settings: Make, images: Path, tmp_path: Path) -> Iterator[Field]:
    admin = Commander(tmp_path / "admin")
    settings = make_settings(camera={"source": str(images)}, commands={"admins": [admin.public]})
    with watching(settings, admin) as running:
        yield running


def test_a_snapshot_is_a_small_jpeg_of_the_newest_frame(field: Field) -> None:
    reply = field.ask("snapshot", max_bytes=10_000)
    assert reply.state == "done"
    data = base64.b64decode(reply.data["jpeg"])
    assert len(data) <= 10_000
    assert sha256_bytes(data) == reply.data["sha256"]
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (reply.data["height"], reply.data["width"])


def test_disarmed_it_stays_over_a_restart_and_armed_it_goes_on(field: Field) -> None:
    assert field.ask("disarm").state == "done"
    assert field.noted("armed") == "0"
    field.stop.set()
    field.thread.join(30)
    with watching(field.settings, field.admin) as again:
        assert again.ask("arm").state == "done"
        assert again.noted("armed") == "1"


def test_thresholds_are_set_on_disk_and_in_the_running_detector(field: Field) -> None:
    reply = field.ask("thresholds", class_name="leopard", on=0.7, peak=0.9)
    assert reply.state == "done"
    desired = DesiredFile(field.settings.state).read()
    assert desired is not None
    assert desired.thresholds == {"leopard": {"on": 0.7, "peak": 0.9}}
    assert reply.data == {"sha256": desired.sha256}
    assert field.noted(APPLIED) == desired.sha256


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"class_name": "unicorn", "on": 0.5}, "not on unicorn"),
        ({"class_name": "leopard", "on": 0.9, "peak": 0.6}, "does not hold"),
        ({"class_name": "leopard", "on": 0.999}, "is not within 0.05 to 0.99"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_thresholds_that_cannot_be_are_taken_back_and_detect_goes_on(
    field: Field, args: dict[str, Any], reason: str
) -> None:
    reply = field.ask("thresholds", **args)
    assert reply.state == "failed"
    assert reason in reply.reason
    assert field.ask("snapshot").state == "done"


def test_a_desired_state_is_applied_and_another_that_cannot_be_leaves_it(field: Field) -> None:
    good = {"inference": {"thresholds": {"leopard": {"on": 0.7, "peak": 0.9}}}}
    reply = field.ask("configure", tables=good)
    assert reply.state == "done"
    bad = {"inference": {"thresholds": {"unicorn": {"on": 0.7}}}}
    refused = field.ask("configure", tables=bad)
    assert refused.state == "failed"
    assert "not on unicorn" in refused.reason
    assert field.noted(APPLIED) == reply.data["sha256"]


@pytest.mark.parametrize(
    "power",
    [
        {"mode": "triggered", "trigger": "socket:/var/lib/edgeclip/outbox.sqlite"},
        {"latitude": -1.3, "longitude": 36.8},
    ],
    ids=["a path", "a place"],
)
def test_no_key_sets_a_path_or_a_place_from_afar(
    make_settings: Make, power: dict[str, object]
) -> None:
    wished = Desired(tables={"power": power})
    for role in get_args(Role):
        with pytest.raises(ConfigError, match=r"power\.(trigger|latitude) cannot be set from afar"):
            with_desired(make_settings(), wished, role)


def test_a_desired_trigger_that_cannot_be_made_is_taken_back_and_detect_goes_on(
    make_settings: Make, still_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "trigger").write_text("somebody's")
    settings = make_settings(
        camera={"source": str(still_clip)}, power={"trigger": f"socket:{tmp_path}/trigger"}
    )
    file = DesiredFile(settings.state)
    settings.state.mkdir()
    file.write(Desired(counter=1, tables={"power": {"mode": "triggered"}}))
    detect(settings, threading.Event())
    assert file.read() == Desired()


def test_a_restart_ends_the_process_after_its_reply(field: Field) -> None:
    assert field.ask("restart").state == "done"
    field.thread.join(30)
    assert not field.thread.is_alive()


def test_its_log_is_sent(field: Field) -> None:
    ring = attached_ring()
    try:
        logging.getLogger("edgeclip_device.camera").warning("the lens is dirty")
        lines = field.ask("logs", lines=300).data["lines"]
    finally:
        logging.getLogger().removeHandler(ring)
    assert any(line.endswith("WARNING edgeclip_device.camera: the lens is dirty") for line in lines)


def test_what_this_version_cannot_do_fails(field: Field) -> None:
    with closing(Backlog(field.settings.state)) as backlog:
        backlog.connection.execute(
            "INSERT INTO commands VALUES ('018bcfe5-6800-79d7-baa4-4201ea1b234f', 'k', 1, 'dance',"
            " 'accepted', '{}', 'detect', '2099-01-01T00:00:00+00:00', x'')"
        )
        query = "SELECT verdict FROM commands WHERE name = 'dance'"
        verdict = backlog.connection.execute
        eventually(lambda: verdict(query).fetchone() == ("failed",), "the verdict")


def test_a_snapshot_of_a_person_is_withheld(
    make_settings: Make, images: Path, tmp_path: Path
) -> None:
    admin = Commander(tmp_path / "admin")
    people = TinyPack(task="people", classes=(("person", "human"), ("blank", "blank")), scale=0.01)
    settings = make_settings(
        inference={"bundle": write_tiny_bundle(tmp_path / "people", [people])},
        camera={"source": str(images)},
        privacy={"human_from": 0.3},
        commands={"admins": [admin.public]},
    )
    with watching(settings, admin) as running:
        reply = running.ask("snapshot")
    assert (reply.state, reply.reason) == ("failed", "withheld, as [privacy] says")
    assert reply.data == {}


def test_a_quiet_watched_folder_takes_thresholds_again_and_has_no_live_picture(
    make_settings: Make, tmp_path: Path
) -> None:
    (tmp_path / "card").mkdir()
    admin = Commander(tmp_path / "admin")
    settings = make_settings(
        camera={"source": str(tmp_path / "card"), "watch": True, "time_zone": "+03:00"},
        commands={"admins": [admin.public]},
    )
    with watching(settings, admin) as running:
        for peak in (0.8, 0.9):
            reply = running.ask("thresholds", class_name="leopard", on=0.7, peak=peak)
            assert reply.state == "done"
        assert running.thread.is_alive()
        reply = running.ask("snapshot")
    assert reply.state == "failed"
    assert reply.reason.startswith("a watched folder has no live picture")
