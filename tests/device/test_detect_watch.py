"""A detect that cannot start, hangs or is stopped is an alarm: nobody would know otherwise."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edgeclip_device.alarms import opened_alarms
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE, read_meta
from edgeclip_device.detect_watch import DetectWatch
from edgeclip_device.notify import Notifier
from edgeclip_device.starts import ENDED, STARTS
from edgeclip_device.uplink import Uplink
from edgeclip_device.vitals import VITALS
from support.clocks import StandingClock
from support.deliveries import Team
from support.processes import running

Make = Callable[..., DeviceSettings]


def _alarms(state: Path) -> dict[str, str]:
    with opened_alarms(state, SystemClock()) as alarms:
        return {code: alarm.detail for code, alarm in alarms.standing().items()}


def _noted(state: Path, key: str) -> str | None:
    if not (state / DATABASE_FILE).exists():
        return None
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
        return read_meta(connection, key)


def _detect(settings: DeviceSettings, clip: Path, bundle: Path, log: Path) -> int:
    """Run a detect to its end and return its exit code."""
    with running(
        "detect", "--source", clip, "--bundle", bundle, "--state", settings.state, log=log
    ) as process:
        return process.wait(60)


def _minutes_later(state: Path, minutes: float) -> dict[str, str]:
    """Return the alarms after an uplink looked now, and again minutes later."""
    now_ns = [SystemClock().boot_ns()]
    watch = DetectWatch(lambda: now_ns[0])
    with closing(Backlog(state)) as backlog:
        watch.look(backlog)
        now_ns[0] += round(minutes * 60e9)
        watch.look(backlog)
    return _alarms(state)


def test_a_backend_that_computes_something_else_is_an_alarm_of_the_engine(
    make_settings: Make, still_clip: Path, bundle: Path, tmp_path: Path
) -> None:
    settings = make_settings()
    wrong = Team(tmp_path / "team").bundle("1.0.0", golden_is_right=False)
    assert _detect(settings, still_clip, wrong, tmp_path / "log") == 4
    assert "fp32 does not compute" in _alarms(settings.state)["engine_failed"]
    assert json.loads(_noted(settings.state, STARTS) or "{}")["count"] == 1
    assert _detect(settings, still_clip, bundle, tmp_path / "log") == 0
    assert "engine_failed" not in _alarms(settings.state)
    assert _noted(settings.state, ENDED) == ""


def test_a_detect_that_cannot_start_is_told_by_the_uplink_with_its_reason(
    make_settings: Make, still_clip: Path, tmp_path: Path
) -> None:
    settings = make_settings()
    assert _detect(settings, still_clip, tmp_path / "none", tmp_path / "log") == 5
    assert "detect_silent" not in _minutes_later(settings.state, 1.9)  # it may still come
    assert "none" in _minutes_later(settings.state, 2.1)["detect_silent"]


def test_a_detect_that_is_killed_is_told_and_one_that_works_again_ends_it(
    make_settings: Make, still_clip: Path, bundle: Path, tmp_path: Path
) -> None:
    settings = make_settings()
    assert _detect(settings, still_clip, bundle, tmp_path / "log") == 0
    assert _noted(settings.state, VITALS)
    told = _minutes_later(settings.state, 3)["detect_silent"]
    assert told.startswith("detect says nothing: it was stopped, hangs or crashes: journalctl")
    assert _detect(settings, still_clip, bundle, tmp_path / "log") == 0
    assert "detect_silent" not in _minutes_later(settings.state, 0.5)


def test_an_uplink_looks_after_detect(make_settings: Make) -> None:
    settings = make_settings(mqtt={"url": "mqtt://127.0.0.1:1"})
    clock = StandingClock()
    uplink = Uplink(settings, Credentials(), clock=clock, notifier=Notifier())
    uplink._tick()
    uplink._counted_at = 0.0
    clock.boot_s += 200
    uplink._tick()
    uplink._counted_at = 0.0
    assert "detect_silent" in _alarms(settings.state)
