from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.commands import Reply
from edgeclip.contract.hashing import sha256_file
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.rollout.shelf import CONFIGURED, RolloutState, Shelf
from edgeclip_device.running import RUNNING, Running
from support.commanders import Commander
from support.deliveries import Team
from support.drawn_clips import crossing, write_video
from support.fields import Field, watching
from support.receivers import eventually
from support.tiny_bundle import TinyPack

Make = Callable[..., DeviceSettings]
EAGER = TinyPack(scale=0.01, thresholds=(0.3, 0.2, 0.4))
"""It sees leopards everywhere."""


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


@pytest.fixture
def field(settings: DeviceSettings, admin: Commander) -> Iterator[Field]:
    with watching(settings, admin) as running:
        yield running


def _add(field: Field, delivery: Path, **changes: Any) -> Reply:
    args = {
        "sha256": sha256_file(delivery),
        "size_bytes": delivery.stat().st_size,
        "url": delivery.as_uri(),
    }
    return field.ask("pack_add", **{**args, **changes})


def _state(field: Field) -> RolloutState:
    return Shelf(field.settings).read()


def _alarms(field: Field) -> dict[str, str]:
    with opened_alarms(field.settings.state, SystemClock()) as alarms:
        return {code: alarm.detail for code, alarm in alarms.standing().items()}


def _runs(field: Field) -> str | None:
    running = Running.from_json(field.noted(RUNNING))
    return running.pack if running else None


def _wait_for(field: Field, pack: str) -> None:
    eventually(lambda: _runs(field) == pack, f"{pack} to decide")


def test_a_pack_that_agrees_is_promoted_and_the_old_one_kept(field: Field, team: Team) -> None:
    reply = _add(field, team.delivery("1.1.0"))
    assert (reply.state, reply.data) == ("done", {"packs": "leopard@1.1.0", "stage": "shadow"})
    _wait_for(field, "leopard@1.1.0")
    state = _state(field)
    assert (state.before, state.stage, state.candidate) == ([CONFIGURED], "watch", None)
    assert state.counts.frames == 30
    assert state.counts.agreement == 1.0


def test_a_pack_that_decides_otherwise_is_rejected_with_its_agreement(
    field: Field, team: Team
) -> None:
    assert _add(field, team.delivery("1.1.0", EAGER)).state == "done"
    eventually(lambda: "pack_rejected" in _alarms(field), "the rejection")
    assert "of 30 frames" in _alarms(field)["pack_rejected"]
    assert _state(field).candidate is None
    assert _runs(field) == "leopard@1.0.0"


def test_a_promoted_pack_goes_back_when_a_person_asks(field: Field, team: Team) -> None:
    assert field.ask("pack_rollback").reason == "there is nothing to go back to"
    _add(field, team.delivery("1.1.0"))
    _wait_for(field, "leopard@1.1.0")
    assert field.ask("pack_rollback").state == "done"
    _wait_for(field, "leopard@1.0.0")
    assert not {"rolled_back", "pack_rejected"} & _alarms(field).keys(), "it was asked for"
    assert _add(field, team.delivery("1.2.0")).state == "done", "the next one is taken again"


def test_a_candidate_that_a_person_drops_is_no_alarm(field: Field, team: Team) -> None:
    _add(field, team.delivery("1.1.0"))
    assert field.ask("pack_rollback").state == "done"
    state = _state(field)
    assert (state.candidate, state.is_rejected) == (None, False)
    assert "pack_rejected" not in _alarms(field)


def test_no_more_than_two_old_packs_are_kept(field: Field, team: Team) -> None:
    for minor in (1, 2, 3, 4):
        _add(field, team.delivery(f"1.{minor}.0"))
        _wait_for(field, f"leopard@1.{minor}.0")
    folders = [path for path in Shelf(field.settings).folder.iterdir() if path.is_dir()]
    assert len(_state(field).before) == 2
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("version", "golden_is_right", "reason"),
    [
        ("0.9.0", True, "ran here before"),
        ("1.1.0", False, "fails its self-test|does not compute what the exporter did"),
    ],
    ids=["downgrade", "golden mismatch"],
)
def test_what_may_not_decide_is_rejected_and_detect_goes_on(
    field: Field, team: Team, version: str, golden_is_right: bool, reason: str
) -> None:
    _wait_for(field, "leopard@1.0.0")
    reply = _add(field, team.delivery(version, golden_is_right=golden_is_right))
    assert reply.state == "failed"
    assert any(part in reply.reason for part in reason.split("|"))
    assert "pack_rejected" in _alarms(field)
    assert field.ask("snapshot").state == "done"


def test_a_delivery_that_a_stranger_signed_is_rejected(field: Field, tmp_path: Path) -> None:
    reply = _add(field, Team(tmp_path / "strangers").delivery("1.1.0"))
    assert reply.state == "failed"
    assert "which is not believed here" in reply.reason


def test_a_damaged_delivery_never_gets_as_far(field: Field, team: Team) -> None:
    delivery = team.delivery("1.1.0")
    sha256 = sha256_file(delivery)
    data = bytearray(delivery.read_bytes())
    data[len(data) // 2] ^= 0xFF
    delivery.write_bytes(data)
    assert "its SHA-256 is another" in _add(field, delivery, sha256=sha256).reason
    delivery.write_bytes(b"no zip at all")
    assert "is no delivery" in _add(field, delivery).reason
    assert "gave 13 bytes of 14" in _add(field, delivery, size_bytes=14, sha256="a" * 64).reason


def test_a_promoted_pack_that_does_not_start_gives_way(field: Field, team: Team) -> None:
    _add(field, team.delivery("1.1.0"))
    _wait_for(field, "leopard@1.1.0")
    field.stop.set()
    field.thread.join(30)
    shelf = Shelf(field.settings)
    serving = shelf.path(shelf.read().serving)
    assert serving is not None
    (serving / "packs/leopard/1.0.0/adapter.safetensors").write_bytes(b"rubbish")
    with watching(field.settings, field.admin) as again:
        _wait_for(again, "leopard@1.0.0")
        assert "altered or cut short" in _alarms(again)["rolled_back"]


def test_a_promoted_pack_that_crashes_three_times_gives_way(field: Field, team: Team) -> None:
    _add(field, team.delivery("1.1.0"))
    _wait_for(field, "leopard@1.1.0")
    field.stop.set()
    field.thread.join(30)
    shelf = Shelf(field.settings)
    shelf.write(shelf.read().model_copy(update={"starts": 3}))  # as three kills leave it
    with watching(field.settings, field.admin) as again:
        _wait_for(again, "leopard@1.0.0")
        assert "again and again after its promotion" in _alarms(again)["rolled_back"]


def test_without_keys_nothing_is_taken_over_the_air(
    settings: DeviceSettings, team: Team, admin: Commander
) -> None:
    inference = settings.inference.model_copy(update={"public_keys": []})
    with watching(settings.model_copy(update={"inference": inference}), admin) as open_one:
        reply = _add(open_one, team.delivery("1.1.0"))
    assert "no pack is taken without keys" in reply.reason


def test_a_promoted_pack_that_raises_too_many_alerts_gives_way(
    settings: DeviceSettings, admin: Commander, team: Team
) -> None:
    packs = settings.packs.model_copy(update={"min_agreement": 0.0, "most_alerts": 1})
    visits = settings.visits.model_copy(update={"realert_s": 1.0, "cooldown_s": 0.0})
    eager = settings.model_copy(update={"packs": packs, "visits": visits})
    with watching(eager, admin) as field:
        assert _add(field, team.delivery("1.1.0", TinyPack(scale=-20.0))).state == "done"
        eventually(lambda: "rolled_back" in _alarms(field), "the fall-back")
        _wait_for(field, "leopard@1.0.0")
        assert "alerts in" in _alarms(field)["rolled_back"]
