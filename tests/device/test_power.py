from __future__ import annotations

import os
import socket
import threading
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest

from edgeclip.errors import ConfigError
from edgeclip_device.config import load_settings
from edgeclip_device.field_settings import PowerSettings
from edgeclip_device.power.schedule import Rest, Schedule
from edgeclip_device.power.sun import sun_time
from edgeclip_device.power.triggers import open_trigger
from edgeclip_device.power.windows import next_window
from support.clocks import NOON, StandingClock

UTC = timezone.utc


def _power(**keys: object) -> PowerSettings:
    return PowerSettings.model_validate(keys)


@pytest.mark.parametrize(
    ("place", "day", "event", "expected"),
    [
        # the almanac's minutes for Greenwich, Nairobi and Sydney (NOAA's own calculator)
        ((51.48, 0.0), date(2024, 6, 20), "sunrise", "03:43"),
        ((51.48, 0.0), date(2024, 6, 20), "sunset", "20:21"),
        ((51.48, 0.0), date(2024, 12, 21), "sunrise", "08:03"),
        ((-1.29, 36.82), date(2024, 3, 20), "sunrise", "03:36"),
        ((-1.29, 36.82), date(2024, 3, 20), "sunset", "15:43"),
        ((-33.87, 151.21), date(2024, 1, 1), "sunset", "09:09"),
    ],
)
def test_the_sun_rises_and_sets_within_three_minutes_of_the_almanac(
    place: tuple[float, float],
    day: date,
    event: Literal["sunrise", "sunset"],
    expected: str,
) -> None:
    at = sun_time(event, day, *place)
    assert at is not None
    hours, minutes = map(int, expected.split(":"))
    wanted = datetime(at.year, at.month, at.day, hours, minutes, tzinfo=UTC)
    assert abs(at - wanted) <= timedelta(minutes=3)


def test_in_the_polar_night_the_sun_does_not_rise() -> None:
    assert sun_time("sunrise", date(2024, 12, 21), 78.2, 15.6) is None
    assert sun_time("sunset", date(2024, 6, 21), 78.2, 15.6) is None


AT = NOON.replace(hour=0, minute=0)


@pytest.mark.parametrize(
    ("window", "hour", "wakes"),
    [
        ("05:00-09:30", 4.0, 5.0),
        ("05:00-09:30", 5.0, 5.0),
        ("05:00-09:30", 9.4, 9.4),
        ("05:00-09:30", 9.5, 29.0),
        ("22:00-02:00", 1.0, 1.0),
        ("22:00-02:00", 23.0, 23.0),
        ("22:00-02:00", 3.0, 22.0),
    ],
)
def test_a_window_says_when_work_begins(window: str, hour: float, wakes: float) -> None:
    begins = next_window(_power(mode="windowed", windows=[window]), AT + timedelta(hours=hour))
    assert begins == AT + timedelta(hours=wakes)


def test_a_window_of_the_sun_moves_with_it() -> None:
    settings = _power(
        mode="windowed", windows=["sunset-30m..sunrise+30m"], latitude=-1.29, longitude=36.82
    )
    assert next_window(settings, AT) == AT  # 3 at night in Nairobi
    begins = next_window(settings, NOON)
    assert begins is not None
    assert AT + timedelta(hours=14.9) < begins < AT + timedelta(hours=15.3)  # 15:35 less 30 min


def test_in_the_polar_night_no_window_of_the_sun_begins() -> None:
    settings = _power(mode="windowed", windows=["sunrise..sunset"], latitude=78.2, longitude=15.6)
    assert next_window(settings, datetime(2026, 12, 21, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('mode = "windowed"', "needs windows"),
        ('mode = "triggered"', "needs trigger"),
        ('mode = "windowed"\nwindows = ["5-9"]', "is no window"),
        ('mode = "windowed"\nwindows = ["sunset..sunrise"]', "need latitude and longitude"),
        ('mode = "windowed"\nwindows = ["25:00-26:00"]', "is no window"),
    ],
)
def test_what_a_mode_lacks_is_named(tmp_path: Path, table: str, words: str) -> None:
    file = tmp_path / "device.toml"
    file.write_text(f"[power]\n{table}\n")
    with pytest.raises(ConfigError, match=words):
        load_settings(file, {})


def test_a_continuous_device_never_rests() -> None:
    assert Schedule(_power(), StandingClock()).rest() is None


def test_outside_its_window_a_device_rests_until_the_next() -> None:
    clock = StandingClock(at=NOON)
    schedule = Schedule(_power(mode="windowed", windows=["05:00-09:00"]), clock)
    morning = NOON.replace(hour=5) + timedelta(days=1)
    assert schedule.rest() == Rest(reason="outside its hours", next_wake_at=morning)
    clock.at = morning
    assert schedule.rest() is None


def test_a_clock_that_is_not_believed_keeps_no_hours() -> None:
    clock = StandingClock(trusted=False)
    assert Schedule(_power(mode="windowed", windows=["05:00-09:00"]), clock).rest() is None


def test_a_trigger_keeps_a_device_awake_for_a_while(tmp_path: Path) -> None:
    pin = tmp_path / "value"
    pin.write_text("0\n")
    now = [0.0]
    settings = _power(mode="triggered", trigger=str(pin), awake_s=60.0)
    schedule = Schedule(settings, StandingClock(), lambda: now[0])
    assert schedule.rest() is None  # at first it works, to show that all is well
    now[0] = 61.0
    assert schedule.rest() == Rest(reason="waits for its trigger")
    pin.write_text("1\n")
    assert schedule.rest() is None
    pin.write_text("0\n")
    now[0] = 120.0
    assert schedule.rest() is None
    now[0] = 122.0
    assert schedule.rest() is not None


def test_a_file_that_is_written_to_fires_once(tmp_path: Path) -> None:
    trigger = open_trigger(str(tmp_path / "touched"))
    assert not trigger.wait(0.0)
    (tmp_path / "touched").write_text("motion\n")
    assert trigger.wait(0.0)
    assert not trigger.wait(0.0)


def test_a_datagram_wakes_at_once_and_many_count_once(tmp_path: Path) -> None:
    path = tmp_path / "trigger"
    trigger = open_trigger(f"socket:{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        threading.Timer(0.1, lambda: [sender.sendto(b"go", str(path)) for _ in range(3)]).start()
        assert trigger.wait(20.0)
        time.sleep(0.05)
        trigger.wait(0.0)
        assert not trigger.wait(0.0)
    trigger.close()
    assert not path.exists()


def test_a_socket_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[power\].trigger"):
        open_trigger(f"socket:{tmp_path}/none/trigger")


def test_what_lies_where_the_socket_should_be_stays(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite"
    outbox.write_bytes(b"detections")
    with pytest.raises(ConfigError, match=r"\[power\].trigger: no socket can be made"):
        open_trigger(f"socket:{outbox}")
    assert outbox.read_bytes() == b"detections"


def test_a_socket_that_an_earlier_process_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(tmp_path / "trigger"))
    open_trigger(f"socket:{tmp_path}/trigger").close()
    assert not (tmp_path / "trigger").exists()


def test_a_fifo_is_refused_and_one_that_comes_later_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    trigger = open_trigger(str(path))
    os.mkfifo(path)
    assert not trigger.wait(0.0)
    with pytest.raises(ConfigError, match="pipe is no file: name one, or socket:"):
        open_trigger(str(path))
