from __future__ import annotations

from dataclasses import replace

import pytest

from edgeclip.contract.alarms import LONGEST_DETAIL, AlarmCode
from edgeclip.contract.detection import Clock
from edgeclip_device.machine.alarms import MachineAlarms
from edgeclip_device.machine.disks import DiskSpace
from edgeclip_device.machine.telemetry import Telemetry
from edgeclip_device.power.schedule import NO_CLOCK

TRUSTED = Clock(trusted=True, source="ntp")
CALM = Telemetry(
    uptime_s=1.0, board_w=6.0, mode_name="15W", overcurrent_events=0, battery_v=None, solar_w=None,
    junction_c=50.0, throttled=False, available_mb=4000.0,
    disk=DiskSpace(50 * 10**9, 100 * 10**9, is_read_only=False), written_bytes=0, wear_pct=None,
)  # fmt: skip


def _standing(machine: Telemetry, clock: Clock = TRUSTED) -> dict[AlarmCode, str]:
    judged = MachineAlarms(95.0).judge(0.0, machine, clock)
    return {code: detail for code, detail in judged.items() if detail is not None}


def test_a_calm_machine_raises_nothing_and_clears_all() -> None:
    judged = MachineAlarms(95.0).judge(0.0, CALM, TRUSTED)
    assert set(judged) == {
        "overtemp", "overcurrent", "disk_low", "disk_read_only", "clock_untrusted",
    }  # fmt: skip
    assert set(judged.values()) == {None}


@pytest.mark.parametrize(
    ("machine", "code", "words"),
    [
        (
            replace(CALM, junction_c=97.5, throttled=True),
            "overtemp",
            "97.5 degrees, and the kernel",
        ),
        (replace(CALM, disk=DiskSpace(10**9, 100 * 10**9, False)), "disk_low", "1,000 MB are free"),
        (replace(CALM, disk=DiskSpace(10**11, 10**11, True)), "disk_read_only", "dmesg"),
    ],
    ids=["heat", "space", "read-only"],
)
def test_each_fault_says_what_to_do(machine: Telemetry, code: AlarmCode, words: str) -> None:
    standing = _standing(machine)
    assert list(standing) == [code]
    assert words in standing[code]


def test_a_clock_that_is_not_believed_is_an_alarm() -> None:
    standing = _standing(CALM, Clock(trusted=False, source="none"))
    assert "[clock]" in standing["clock_untrusted"]


def test_hours_that_cannot_be_kept_without_a_clock_stand_in_its_alarm() -> None:
    unbelieved = Clock(trusted=False, source="none")
    judged = MachineAlarms(95.0).judge(0.0, CALM, unbelieved, NO_CLOCK)
    told = judged["clock_untrusted"]
    assert told is not None
    assert "the hours of [power] cannot be kept" in told
    assert len(told) <= LONGEST_DETAIL


def test_over_current_stands_for_an_hour_after_the_last_event() -> None:
    alarms = MachineAlarms(95.0)
    assert alarms.judge(0.0, CALM, TRUSTED)["overcurrent"] is None
    worse = replace(CALM, overcurrent_events=3)
    assert "3 times" in (alarms.judge(60.0, worse, TRUSTED)["overcurrent"] or "")
    assert alarms.judge(4000.0, worse, TRUSTED)["overcurrent"] is None


def test_events_of_before_the_first_look_are_no_news() -> None:
    alarms = MachineAlarms(95.0)
    assert alarms.judge(0.0, replace(CALM, overcurrent_events=9), TRUSTED)["overcurrent"] is None


def test_what_is_unknown_raises_nothing() -> None:
    unknown = replace(CALM, junction_c=None, overcurrent_events=None, disk=None)
    assert _standing(unknown) == {}
