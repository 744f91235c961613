from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.contract.detection import Clock
from edgeclip_device.clock import SystemClock
from edgeclip_device.clock_trust import Evidence, TrustJudge, find_evidence, timesyncd_error_ms
from edgeclip_device.config import OutboxSettings
from edgeclip_device.field_settings import ClockSettings
from edgeclip_device.machine.tree import Tree
from edgeclip_device.outbox import Outbox
from support.clocks import NOON, StandingClock
from support.machines import put
from support.samples import detection

NOTHING = Evidence(None, has_gnss=False)
NTP = Evidence(20, has_gnss=False)
UNTRUSTED = Clock(trusted=False, source="none")
S = 1_000_000_000


def _judge(**settings: object) -> TrustJudge:
    return TrustJudge(ClockSettings.model_validate(settings))


def test_without_any_evidence_nothing_is_believed() -> None:
    assert _judge().judge(NOTHING, NOON, 10 * S) == UNTRUSTED


def test_ntp_and_gnss_are_believed_and_named() -> None:
    assert _judge().judge(NTP, NOON, 10 * S) == Clock(trusted=True, source="ntp", error_ms=20)
    gnss = _judge().judge(Evidence(None, has_gnss=True), NOON, 10 * S)
    assert (gnss.trusted, gnss.source) == (True, "gnss")


def test_a_hardware_clock_is_believed_only_where_its_battery_is_vouched_for() -> None:
    found = _judge(rtc_has_battery=True).judge(NOTHING, NOON, 10 * S)
    assert (found.trusted, found.source) == (True, "rtc")


def test_without_a_battery_the_clock_rewinds_to_1970_after_ntp_had_set_it() -> None:
    judge = _judge(rtc_has_battery=True)
    assert judge.judge(NTP, NOON, 10 * S).trusted
    rewound = datetime(1970, 1, 1, 0, 0, 13, tzinfo=timezone.utc)
    assert judge.judge(NTP, rewound, 14 * S) == UNTRUSTED


def test_a_clock_that_was_right_stays_right_and_its_error_grows() -> None:
    judge = _judge()
    judge.judge(NTP, NOON, 10 * S)
    day_s = 86_400
    later = judge.judge(NOTHING, NOON + timedelta(seconds=day_s), (10 + day_s) * S)
    assert (later.trusted, later.source, later.error_ms) == (True, "ntp", 20 + 8640)


def test_a_clock_that_may_be_too_far_off_is_not_believed_any_more() -> None:
    judge = _judge(most_error_ms=5000)
    judge.judge(NTP, NOON, 0)
    day_s = 86_400
    assert judge.judge(NOTHING, NOON + timedelta(seconds=day_s), day_s * S) == UNTRUSTED


@pytest.mark.parametrize("years", [10, -1], ids=["forth", "back"])
def test_a_clock_that_is_stepped_is_not_believed_until_ntp_says_so(years: int) -> None:
    judge = _judge()
    judge.judge(NTP, NOON, 10 * S)
    stepped = NOON.replace(year=NOON.year + years)
    assert judge.judge(NOTHING, stepped, 11 * S) == UNTRUSTED
    assert judge.judge(NTP, NOON, 12 * S).trusted


@pytest.mark.parametrize("is_by_ntp", [True, False], ids=["since NTP", "since the RTC"])
def test_a_vouched_hardware_clock_is_not_believed_either_after_a_step(*, is_by_ntp: bool) -> None:
    judge = _judge(rtc_has_battery=True)
    assert judge.judge(NTP if is_by_ntp else NOTHING, NOON, 10 * S).trusted
    in_ten_years = NOON.replace(year=NOON.year + 10)
    for seconds in (11, 12, 600):  # not by the second look either
        later = in_ten_years + timedelta(seconds=seconds)
        assert judge.judge(NOTHING, later, seconds * S) == UNTRUSTED
    assert judge.judge(NTP, NOON, 700 * S).trusted


def test_a_hardware_clock_that_the_kernel_reads_late_is_believed() -> None:
    judge = _judge(rtc_has_battery=True)
    assert not judge.judge(NOTHING, datetime(1970, 1, 1, 0, 0, 5, tzinfo=timezone.utc), S).trusted
    assert judge.judge(NOTHING, NOON, 2 * S).source == "rtc"


def test_ntp_is_believed_before_an_anchor_of_a_clock_that_was_wrong() -> None:
    judge = _judge(rtc_has_battery=True)
    judge.not_before = NOON.replace(year=NOON.year + 10)
    assert judge.judge(NOTHING, NOON, 10 * S) == UNTRUSTED
    assert judge.judge(NTP, NOON, 11 * S).source == "ntp"
    assert judge.judge(NOTHING, NOON + timedelta(seconds=1), 12 * S).source == "ntp"


def test_ntp_that_arrives_late_is_believed_from_then_on() -> None:
    judge = _judge()
    assert not judge.judge(NOTHING, NOON, 10 * S).trusted
    assert judge.judge(NTP, NOON + timedelta(hours=5), 11 * S).trusted


def test_a_suspended_machine_keeps_its_clock() -> None:
    judge = _judge()
    judge.judge(NTP, NOON, 10 * S)
    assert judge.judge(NOTHING, NOON + timedelta(hours=8), (10 + 8 * 3600) * S).trusted


def test_a_time_before_the_last_anchor_is_not_believed() -> None:
    clock = SystemClock(ClockSettings(rtc_has_battery=True), Tree(Path("/nonexistent")))
    assert clock.trust().trusted
    clock.remember(datetime.now(timezone.utc) + timedelta(days=1))
    assert clock.trust() == UNTRUSTED


@pytest.mark.parametrize(
    ("age_s", "error_ms"), [(0.0, 100), (36_000.0, 3700), (-3600.0, None)], ids=str
)
def test_timesyncds_file_says_when_the_clock_was_set(
    tmp_path: Path, age_s: float, error_ms: int | None
) -> None:
    path = put(tmp_path, "/run/systemd/timesync/synchronized", "")
    os.utime(path, (NOON.timestamp() - age_s,) * 2)
    assert timesyncd_error_ms(Tree(tmp_path), NOON) == error_ms


def test_a_gnss_file_is_looked_for_where_it_is_named(tmp_path: Path) -> None:
    settings = ClockSettings(gnss_file="/run/gnss")
    assert not find_evidence(Tree(tmp_path), settings, NOON).has_gnss
    put(tmp_path, "/run/gnss", "")
    assert find_evidence(Tree(tmp_path), settings, NOON).has_gnss


def test_the_anchor_is_kept_while_the_clock_is_believed_and_hinders_a_rewind(
    tmp_path: Path,
) -> None:
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock(trusted=False))) as outbox:
        outbox.keep_anchor()
        assert outbox.anchor() is None
    with closing(Outbox(tmp_path, OutboxSettings(), StandingClock(at=NOON))) as outbox:
        outbox.keep_anchor()
        assert outbox.anchor() == NOON


@dataclass
class _Rtc(StandingClock):
    """A clock that is believed for its battery's sake."""

    def trust(self) -> Clock:
        """Return that it is."""
        return Clock(trusted=True, source="rtc")


@pytest.mark.parametrize(("days", "is_kept"), [(60, True), (3650, False)])
def test_an_anchor_of_a_hardware_clock_jumps_by_a_winter_and_not_by_ten_years(
    tmp_path: Path, days: int, *, is_kept: bool
) -> None:
    with closing(Outbox(tmp_path, OutboxSettings(), _Rtc(at=NOON))) as outbox:
        outbox.keep_anchor()
    later = NOON + timedelta(days=days)
    with closing(Outbox(tmp_path, OutboxSettings(), _Rtc(at=later))) as outbox:
        outbox.keep_anchor()
        outbox.emit(detection())
        assert outbox.anchor() == (later if is_kept else NOON)


def test_ntp_writes_an_anchor_anew_that_lies_in_the_future(tmp_path: Path) -> None:
    clock = StandingClock(at=NOON)
    with closing(Outbox(tmp_path, OutboxSettings(), clock)) as outbox:
        outbox.note("anchor", NOON.replace(year=NOON.year + 10).isoformat())
        outbox.keep_anchor()
        assert outbox.anchor() == NOON


def test_what_a_process_says_is_null_before_the_last_anchor(tmp_path: Path) -> None:
    clock = SystemClock(ClockSettings(), Tree(Path("/nonexistent")))
    with closing(Outbox(tmp_path, OutboxSettings(), clock)) as outbox:
        outbox.note("anchor", (clock.now() + timedelta(days=1)).isoformat())
    with closing(Outbox(tmp_path, OutboxSettings(), clock)) as outbox:
        outbox.alarms.raise_alarm("disk_low", "test")
        assert outbox.alarms.standing()["disk_low"].since is None
