from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.alarms import ALARM_CODES, Alarm
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.config import OutboxSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.outbox import Outbox
from support.clocks import NOON, StandingClock


def test_an_alarm_stands_over_a_restart_until_it_is_cleared(tmp_path: Path) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        alarms.raise_alarm("camera_stalled", "no frame for 20 s: check the cable")
    with opened_alarms(tmp_path, StandingClock()) as again:
        standing = again.standing()
        assert standing["camera_stalled"].detail == "no frame for 20 s: check the cable"
        again.clear_alarm("camera_stalled")
    with opened_alarms(tmp_path, StandingClock()) as later:
        assert later.standing() == {}
        assert later.retained() == {"alarm/camera_stalled": b""}


def test_an_alarm_that_is_raised_again_keeps_its_beginning(tmp_path: Path) -> None:
    clock = StandingClock()
    with opened_alarms(tmp_path, clock) as alarms:
        alarms.raise_alarm("disk_low", "1.9 GiB free")
        clock.at = NOON.replace(hour=15)
        alarms.raise_alarm("disk_low", "0.4 GiB free")
        alarm = alarms.standing()["disk_low"]
    assert (alarm.since, alarm.detail) == (NOON, "0.4 GiB free")


def test_what_is_raised_a_thousand_times_is_written_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms, caplog.at_level(logging.WARNING):
        for _ in range(1000):
            alarms.raise_alarm("camera_dark", "mean below 4")
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as other:
            changes = alarms._connection.total_changes
            assert other.execute("SELECT count(*) FROM retained").fetchone() == (1,)
        alarms.raise_alarm("camera_dark", "mean below 4")
        assert alarms._connection.total_changes == changes
    assert len([r for r in caplog.records if "alarm camera_dark" in r.message]) == 1


def test_clearing_what_does_not_stand_writes_nothing(tmp_path: Path) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        for code in ALARM_CODES:
            alarms.clear_alarm(code)
        assert alarms.retained() == {}


def test_while_the_clock_is_wrong_an_alarm_has_no_time(tmp_path: Path) -> None:
    clock = StandingClock(at=NOON.replace(year=1970))
    with opened_alarms(tmp_path, clock) as alarms:
        alarms.raise_alarm("clock_untrusted", "1970")
        assert alarms.standing()["clock_untrusted"].since is None


def test_a_long_detail_is_cut_and_line_ends_go(tmp_path: Path) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        alarms.raise_alarm("engine_failed", "out of\nmemory " * 100)
        detail = alarms.standing()["engine_failed"].detail
    assert len(detail) == 300
    assert detail.startswith("out of memory out of memory")


def test_an_alarm_of_other_software_is_passed_over(tmp_path: Path) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        alarms.raise_alarm("overtemp", "95 C")
        row = ("alarm/volcano", b'{"schema": "edgeclip.alarm/9", "code": "volcano"}')
        alarms._connection.execute("INSERT INTO retained VALUES (?, ?)", row)
        assert list(alarms.standing()) == ["overtemp"]


def test_a_database_that_cannot_be_written_keeps_the_alarm_in_memory(tmp_path: Path) -> None:
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        alarms._connection.execute("PRAGMA query_only = 1")
        alarms.raise_alarm("disk_read_only", "the file system is read-only")
        assert list(alarms.standing()) == ["disk_read_only"]
        told = alarms.retained()["alarm/disk_read_only"]
        assert Alarm.model_validate_json(told).code == "disk_read_only"
        alarms._connection.execute("PRAGMA query_only = 0")
        alarms.clear_alarm("disk_read_only")
        assert alarms.standing() == {}


def test_a_database_of_before_there_were_alarms_gets_their_table(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())):
        pass
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as old:
        old.execute("DROP TABLE retained")
    with opened_alarms(tmp_path, StandingClock()) as alarms:
        alarms.raise_alarm("overtemp", "95 C")
        assert list(alarms.standing()) == ["overtemp"]


def test_an_outbox_that_began_anew_is_an_alarm_until_the_next_start(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(os.urandom(9000))
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        assert "was damaged" in outbox.alarms.standing()["outbox_reset"].detail
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock())) as outbox:
        assert outbox.alarms.standing() == {}
