from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from edgeclip.contract.health import CameraHealth, Drift, Health
from edgeclip.contract.logbook import Log
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock, boot_id
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import DATABASE_FILE, open_database, read_meta
from edgeclip_device.detect import detect
from edgeclip_device.drain import DrainCounts
from edgeclip_device.events import Answered
from edgeclip_device.health_desk import HealthDesk
from edgeclip_device.health_store import HealthStore
from edgeclip_device.machine.tree import Tree
from edgeclip_device.outbox import Outbox
from edgeclip_device.vitals import VITALS, Vitals
from support.brokers import Broker
from support.clocks import NOON, StandingClock
from support.machines import orin, put
from support.receivers import eventually, receiving
from support.samples import detection

Make = Callable[..., DeviceSettings]
BOOT = "018bcfe5-6800-79d7-baa4-4201ea1b234f"


class Wire:
    """A link that keeps what was published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bool]] = []

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Keep a message and number it."""
        assert (expiry_s is not None) is topic.endswith("/health")
        self.sent.append((topic, payload, retain))
        return len(self.sent)


def _told(desk: HealthDesk, settings: DeviceSettings, wire: Wire | None = None) -> Health:
    wire = wire or Wire()
    with closing(Backlog(settings.state)) as backlog:
        desk.on_connected()
        desk.tell(wire, backlog, DrainCounts(resent=3))
    topic, payload, retained = wire.sent[0]
    assert (topic, retained) == (DeviceTopics("demo", "jetson-1").health, True)
    return Health.model_validate_json(payload)


def test_everything_that_a_jetson_tells_is_in_its_health(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings(power={"nvpmodel": "25W"})
    clock = StandingClock()
    with closing(Outbox(settings.state, settings.outbox, clock)) as outbox:
        outbox.emit(detection())
    clock.at += timedelta(seconds=42)
    desk = HealthDesk(settings, clock, BOOT, orin(tmp_path / "orin"))
    health = _told(desk, settings)
    assert health.at == clock.at
    assert health.clock.trusted
    assert (health.outbox.rows, health.outbox.oldest_age_s, health.outbox.resent) == (1, 42.0, 3)
    assert (health.power.vdd_in_w, health.power.mode_name) == (6.0, "15W")
    assert (health.power.mode_requested, health.power.energy_wh_day) == ("25W", 144.0)
    assert (health.power.oc_events, health.power.battery_v) == (0, 12.6)
    assert (health.thermal.tj_c, health.thermal.throttled) == (51.2, False)
    assert health.memory.available_mb == 4096.0
    assert (health.storage.free_mb or 0) > 0
    assert (health.link.state, health.link.reconnects_1h) == ("online", 1)


def test_what_is_unknown_is_null_and_never_0(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(health={"tool": "none"})
    document = json.loads(_told(_desk(settings, tmp_path), settings).to_json())
    assert set(document["camera"].values()) == {None}
    assert set(document["power"].values()) == {None}
    assert document["thermal"] == {"tj_c": None, "throttled": None}
    assert document["memory"] == {"rss_mb": None, "available_mb": None}


def _desk(settings: DeviceSettings, root: Path, clock: StandingClock | None = None) -> HealthDesk:
    return HealthDesk(settings, clock or StandingClock(), BOOT, Tree(root / "machine"))


def _leave_vitals(settings: DeviceSettings, boot: str, frame_s: float | None) -> None:
    vitals = Vitals.model_validate(
        {
            "boot_id": boot, "boot_ns": 0, "frame_ns": frame_s and round(frame_s * 1e9),
            "camera": {"fps": 4.9}, "gate": {}, "infer": {}, "drift": {"unknown_rate": 0.1},
            "visits": {}, "process": {"restarts": 2}, "rss_mb": 140.0, "available_mb": 900.0,
        }
    )  # fmt: skip
    with closing(Outbox(settings.state, settings.outbox, StandingClock())) as outbox:
        outbox.note(VITALS, vitals.model_dump_json())


def test_a_frame_grows_old_even_when_detect_is_dead(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings()
    _leave_vitals(settings, BOOT, 1000.0)
    health = _told(_desk(settings, tmp_path, StandingClock(boot_s=1090.0)), settings)
    assert health.camera.frame_age_s == 90.0
    assert (health.camera.fps, health.process.restarts) == (4.9, 2)
    assert (health.memory.rss_mb, health.memory.available_mb) == (140.0, 900.0)


def test_vitals_of_another_boot_are_not_told(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings()
    _leave_vitals(settings, "another", 1000.0)
    health = _told(_desk(settings, tmp_path), settings)
    assert (health.camera, health.drift) == (CameraHealth(), Drift())


def test_vitals_of_another_version_are_passed_over() -> None:
    assert Vitals.from_json('{"boot_id": 3}') is None
    assert Vitals.from_json(None) is None


def test_the_time_is_null_while_the_clock_is_not_believed(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    clock = StandingClock(at=NOON.replace(year=1970), trusted=False)
    health = _told(_desk(settings, tmp_path, clock), settings)
    assert (health.at, health.clock.trusted) == (None, False)


def test_the_write_volume_is_a_rate_that_needs_a_minute(
    make_settings: Make, tmp_path: Path
) -> None:
    import os

    settings = make_settings()
    settings.state.mkdir()
    device = settings.state.stat().st_dev
    name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
    clock = StandingClock()
    desk = _desk(settings, tmp_path, clock)
    put(tmp_path / "machine", name, "0 0 0 0 0 0 1000 0 0 0 0")
    assert _told(desk, settings).storage.write_mb_day is None
    clock.boot_s += 3600
    put(tmp_path / "machine", name, f"0 0 0 0 0 0 {1000 + 2_000_000} 0 0 0 0")
    assert _told(desk, settings).storage.write_mb_day == pytest.approx(1024 * 24)


def _keep(desk: HealthDesk, settings: DeviceSettings) -> None:
    desk._kept_due_at = 0.0
    with closing(Backlog(settings.state)) as backlog:
        desk.keep_if_due(backlog, "offline")


def test_offline_one_row_an_hour_is_kept_and_sent_as_a_log(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    desk = _desk(settings, tmp_path)
    for _ in range(3):
        _keep(desk, settings)
    assert _kept(settings) == 1
    wire = Wire()
    _told(desk, settings, wire)
    topic, payload, retained = wire.sent[1]
    assert (topic, retained) == ("edgeclip/v1/demo/jetson-1/up/log", False)
    (kept,) = Log.model_validate_json(payload).health
    assert kept.link.state == "offline"
    desk.on_answer(Answered(2, 0x87, "Not authorized"))
    _told(desk, settings, wire := Wire())
    assert _kept(settings) == 1
    desk.on_answer(Answered(2, 0, "Success"))
    _told(desk, settings, Wire())
    assert _kept(settings) == 0


def _kept(settings: DeviceSettings) -> int:
    with closing(open_database(settings.state)) as connection:
        return len(HealthStore(connection).oldest(10))


def test_at_most_14_days_are_kept(make_settings: Make) -> None:
    with closing(open_database(make_settings().state)) as connection:
        store = HealthStore(connection)
        for hour in range(14 * 24 + 5):
            store.keep(f"boot/{hour}", b"{}")
        rows = store.oldest(1000)
    assert (len(rows), rows[0][0]) == (14 * 24, "boot/5")


def test_detect_leaves_its_vitals(make_settings: Make, crossing_clip: Path) -> None:
    settings = make_settings(camera={"source": str(crossing_clip)})
    detect(settings, threading.Event())
    detect(settings, threading.Event())
    with closing(sqlite3.connect(settings.state / DATABASE_FILE)) as connection:
        vitals = Vitals.from_json(read_meta(connection, VITALS))
    assert vitals is not None
    assert vitals.boot_id == boot_id()
    assert vitals.frame_ns is not None
    assert (vitals.visits.new, vitals.process.restarts) == (1, 1)
    assert (vitals.infer.count or 0) > 3
    assert (vitals.infer.p95_ms or 0) >= (vitals.infer.p50_ms or 0) > 0
    assert vitals.drift.mean_top_probability is not None
    assert (vitals.rss_mb or 0) > 10


@pytest.mark.broker
def test_health_is_retained_at_the_broker_and_told_again_at_every_connect(
    linked: DeviceSettings, broker: Broker, start_uplink: Callable[..., object]
) -> None:
    with closing(Outbox(linked.state, linked.outbox, SystemClock())):
        start_uplink(linked)
        with receiving(broker) as receiver:
            eventually(lambda: receiver.healths, "the retained health")
            assert receiver.healths[-1].device_id == "jetson-1"
            seen = len(receiver.healths)
            broker.restart()
            eventually(lambda: len(receiver.healths) > seen, "health after the broker's restart")


def test_on_a_desk_a_clock_that_is_not_believed_is_no_alarm(
    make_settings: Make, tmp_path: Path
) -> None:
    settings, clock = make_settings(), StandingClock()
    clock.trusted = False
    desk = HealthDesk(settings, clock, BOOT, orin(tmp_path / "orin"), on_desk=True)
    with closing(Backlog(settings.state)) as backlog:
        desk.on_connected()
        desk.tell(Wire(), backlog, DrainCounts())
        assert "clock_untrusted" not in backlog.alarms.standing()


def test_while_an_alarm_stands_health_comes_more_often(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(health={"interval_s": 9000.0, "alarm_interval_s": 1.0})
    clock = StandingClock()
    desk = HealthDesk(settings, clock, BOOT, orin(tmp_path / "orin"))
    with closing(Backlog(settings.state)) as backlog:
        desk.on_connected()
        desk.tell(Wire(), backlog, DrainCounts())
        calm = desk._due_at
        clock.trusted = False
        desk.on_connected()
        desk.tell(Wire(), backlog, DrainCounts())
        assert "clock_untrusted" in backlog.alarms.standing()
    assert desk._due_at < calm
