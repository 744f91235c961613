"""A delivery that crashes detect, comes in the midst of a watch, or lacks what is configured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.commands import Reply
from edgeclip.contract.hashing import sha256_file
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock
from edgeclip_device.command_book import CommandBook
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import Desired, DesiredFile
from edgeclip_device.rollout.shelf import INCOMING_FOLDER, RolloutState, Shelf
from edgeclip_device.running import RUNNING, Running
from support.commanders import Commander
from support.deliveries import Team
from support.drawn_clips import crossing, write_video
from support.fields import TOPICS, Field, watching
from support.processes import running
from support.receivers import eventually
from support.tiny_bundle import TinyPack

Make = Callable[..., DeviceSettings]
EAGER = TinyPack(scale=0.01, thresholds=(0.3, 0.2, 0.4))
FOX = TinyPack(classes=(("fox", "animal"), ("blank", "blank"), ("grass", "blank")))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("long") / "long.mp4", crossing()[40:80] * 120)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "team")


@pytest.fixture
def admin(tmp_path: Path) -> Commander:
    return Commander(tmp_path / "admin")


@pytest.fixture
def settings(make_settings: Make, team: Team, admin: Commander, long_clip: Path) -> DeviceSettings:
    return make_settings(
        inference={"bundle": team.bundle("1.0.0"), "public_keys": [team.public]},
        camera={"source": str(long_clip)},
        motion={"algorithm": "off"},
        commands={"admins": [admin.public]},
        limits={"inferences_per_min": 6000.0},
        packs={"shadow_frames": 30, "max_slowdown": 100.0},
    )


def _add(field: Field, delivery: Path) -> Reply:
    size = delivery.stat().st_size
    return field.ask(
        "pack_add", sha256=sha256_file(delivery), size_bytes=size, url=delivery.as_uri()
    )


def _alarms(settings: DeviceSettings) -> dict[str, str]:
    with opened_alarms(settings.state, SystemClock()) as alarms:
        return {code: alarm.detail for code, alarm in alarms.standing().items()}


def _decides(field: Field, pack: str) -> bool:
    found = Running.from_json(field.noted(RUNNING))
    return found is not None and found.pack == pack


def _left_for_detect(settings: DeviceSettings, delivery: Path) -> Path:
    """Leave a delivery as the uplink does, and return where it lies."""
    folder = settings.state / INCOMING_FOLDER
    folder.mkdir(parents=True)
    path = folder / f"{sha256_file(delivery)}.zip"
    path.write_bytes(delivery.read_bytes())
    until = datetime.now(timezone.utc) + timedelta(days=1)
    with closing(Backlog(settings.state)) as backlog:
        book = CommandBook(backlog.connection, SystemClock(), TOPICS)
        book.take_local("pack_add", {"path": str(path)}, until)
    return path


def _has_tried_since(before: RolloutState, shelf: Shelf) -> bool:
    now = shelf.read()
    return (now.trying, now.tries) != (before.trying, before.tries)


def _set(settings: DeviceSettings, **changes: Any) -> None:
    shelf = Shelf(settings)
    shelf.write(shelf.read().model_copy(update=changes))


def test_a_candidate_with_which_detect_is_killed_again_and_again_is_rejected(
    settings: DeviceSettings, team: Team, tmp_path: Path
) -> None:
    _left_for_detect(settings, team.delivery("1.1.0"))
    config = tmp_path / "device.toml"
    config.write_text(
        f'device_id = "jetson-1"\nstate = "{settings.state}"\n'
        f'[inference]\nbundle = "{settings.inference.bundle}"\nbackend = "onnxruntime"\n'
        f'public_keys = ["{team.public}"]\n[camera]\nsource = "/dev/none"\n'
    )
    shelf, seen = Shelf(settings), []
    for _ in range(4):
        before = shelf.read()
        with running("detect", "--config", config, log=tmp_path / "log"):  # until it is killed
            eventually(partial(_has_tried_since, before, shelf), "a try")
            eventually(lambda: shelf.read().candidate is not None, "its test")
        seen.append(shelf.read().tries)
    assert seen == [1, 1, 2, 3]  # of the delivery, and then of the candidate
    with running("detect", "--config", config, log=tmp_path / "log"):
        eventually(lambda: "pack_rejected" in _alarms(settings), "the rejection")
    assert shelf.read().is_rejected
    assert "ended three times while it was tested" in _alarms(settings)["pack_rejected"]


def test_a_delivery_whose_test_ended_detect_three_times_is_refused_and_removed(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    path = _left_for_detect(settings, team.delivery("1.1.0"))
    _set(settings, trying=path.name, tries=3)
    with watching(settings, admin) as field:
        eventually(lambda: "pack_rejected" in _alarms(settings), "the refusal")
        eventually(lambda: not path.exists(), "its end")
        assert field.ask("snapshot").state == "done"


def test_an_end_in_order_is_no_crash_of_the_candidate(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    packs = settings.packs.model_copy(update={"promote": "ask"})
    with watching(settings.model_copy(update={"packs": packs}), admin) as field:
        assert _add(field, team.delivery("1.1.0")).state == "done"
        assert Shelf(settings).read().tries == 1
    assert Shelf(settings).read().tries == 0


def test_the_watch_over_a_promoted_pack_outlasts_another_delivery(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    with watching(settings, admin) as field:
        _add(field, team.delivery("1.1.0"))
        eventually(lambda: _decides(field, "leopard@1.1.0"), "the promotion")
        _add(field, team.delivery("1.2.0", EAGER))
        eventually(lambda: "pack_rejected" in _alarms(settings), "the rejection")
        assert Shelf(settings).read().stage == "watch"


def test_a_pack_that_lacks_a_class_of_the_configuration_is_rejected_before_it_decides(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    visits = settings.visits.model_copy(update={"routine_classes": ["leopard"]})
    with watching(settings.model_copy(update={"visits": visits}), admin) as field:
        reply = _add(field, team.delivery("1.1.0", FOX))
    assert reply.state == "failed"
    assert "[visits].routine_classes: leopard: the pack decides on fox" in reply.reason


def test_while_a_promoted_pack_is_watched_it_is_at_fault_and_not_the_desired_state(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    shelf = Shelf(settings)
    shelf.folder.mkdir(parents=True)
    team.bundle("1.1.0", FOX).rename(shelf.folder / "fox")
    ran_here = [sha256_file(team.folder / "1.0.0" / MANIFEST_FILE)]
    _set(settings, serving="fox", before=[""], stage="watch", may_return=ran_here)
    wished = Desired(counter=1, tables={"visits": {"routine_classes": ["leopard"]}})
    DesiredFile(settings.state).write(wished)
    with watching(settings, admin) as field:
        eventually(lambda: _decides(field, "leopard@1.0.0"), "the fall-back")
    assert "routine_classes: leopard" in _alarms(settings)["rolled_back"]
    assert DesiredFile(settings.state).read() == wished


def test_the_bundle_that_decides_is_not_taken_once_more(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    with watching(settings, admin) as field:
        delivery = team.delivery("1.1.0")
        _add(field, delivery)
        eventually(lambda: _decides(field, "leopard@1.1.0"), "the promotion")
        assert "decides here already" in _add(field, delivery).reason
        assert Shelf(settings).read().before == [""]


def test_a_rejection_over_the_air_stands_over_a_restart(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    with watching(settings, admin) as field:
        _add(field, team.delivery("1.1.0", golden_is_right=False))
    told = _alarms(settings)["pack_rejected"]
    with watching(settings, admin) as field:
        eventually(lambda: field.ask("snapshot").state == "done", "a frame")
        assert _alarms(settings)["pack_rejected"] == told
        assert _add(field, team.delivery("1.2.0")).state == "done"
        assert "pack_rejected" not in _alarms(settings)


def test_a_state_without_a_rejection_is_whole(settings: DeviceSettings) -> None:
    _set(settings, serving="a", before=["b"])
    assert Shelf(settings).read() == RolloutState(serving="a", before=["b"])
