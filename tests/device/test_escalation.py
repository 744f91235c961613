from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip_device.capture.escalation import Escalation, Means, RebootRule
from edgeclip_device.capture.opening import ask_for

HOUR_NS = 3600 * 10**9
ALL = Means(has_service=True, reboot_is_due=lambda: True)


def _steps(escalation: Escalation, times_s: list[float], *, answers: bool = True) -> list[str]:
    return [escalation.next_step(at_s, answers=answers) for at_s in times_s]


def test_help_goes_from_mild_to_harsh() -> None:
    steps = _steps(Escalation(ALL), [0, 1, 3, 6, 20, 40, 50, 310])
    assert steps == [
        "reopen", "reopen", "reopen", "restart", "restart", "service", "restart", "reboot",
    ]  # fmt: skip


def test_a_process_that_hangs_is_killed_at_once() -> None:
    assert _steps(Escalation(ALL), [0, 1], answers=False) == ["restart", "restart"]


def test_without_a_service_or_leave_to_reboot_new_processes_go_on() -> None:
    nothing = Escalation(Means(has_service=False, reboot_is_due=lambda: False))
    assert _steps(nothing, [0, 40, 400, 4000], answers=False) == ["restart"] * 4


def test_the_service_is_asked_for_again_only_after_ten_minutes() -> None:
    escalation = Escalation(Means(has_service=True, reboot_is_due=lambda: False))
    steps = _steps(escalation, [0, 40, 100, 600, 641], answers=False)
    assert steps == ["restart", "service", "restart", "restart", "service"]


def test_a_camera_that_works_for_a_moment_has_not_recovered() -> None:
    escalation = Escalation(ALL)
    _steps(escalation, [0, 1, 3])
    for at_s in (4.0, 5.0, 30.0):
        escalation.works(at_s)
    assert escalation.next_step(31, answers=True) == "restart"


def test_half_a_minute_of_frames_ends_the_failure() -> None:
    escalation = Escalation(ALL)
    _steps(escalation, [0, 1, 3, 6])
    for at_s in (7.0, 38.0):
        escalation.works(at_s)
    assert escalation.next_step(400, answers=True) == "reopen"


class Machine:
    """Boot and its clock, as a test says."""

    def __init__(self, state: Path) -> None:
        self.boot, self.up_ns = "first", 60 * 10**9
        self.state = state

    def rule(self, *, is_allowed: bool = True) -> RebootRule:
        return RebootRule(
            self.state, is_allowed=is_allowed, boot_ns=lambda: self.up_ns, boot=lambda: self.boot
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_leave_there_is_no_reboot(machine: Machine) -> None:
    assert not machine.rule(is_allowed=False).is_due()


def test_the_first_reboot_may_be_at_once_and_the_next_after_six_hours(machine: Machine) -> None:
    assert machine.rule().is_due()
    assert machine.rule().note()
    assert not machine.rule().is_due()
    machine.boot, machine.up_ns = "second", 5 * HOUR_NS
    assert not machine.rule().is_due()
    machine.up_ns = 6 * HOUR_NS
    assert machine.rule().is_due()


def test_a_reboot_that_did_not_happen_is_asked_for_again_after_six_hours(machine: Machine) -> None:
    machine.up_ns = HOUR_NS
    machine.rule().note()
    machine.up_ns = 6 * HOUR_NS
    assert not machine.rule().is_due()
    machine.up_ns = 7 * HOUR_NS
    assert machine.rule().is_due()


def test_a_note_that_cannot_be_read_counts_as_a_reboot_just_now(machine: Machine) -> None:
    (machine.state / "camera-reboot.json").write_text("junk")
    assert not machine.rule().is_due()


def test_without_a_note_there_is_no_reboot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert not Machine(tmp_path / "file/state").rule().note()
    assert "could not be noted" in caplog.text


def test_what_detect_may_not_do_is_laid_down_for_root(machine: Machine, tmp_path: Path) -> None:
    rule = machine.rule()
    assert ask_for(rule, "service", "no frame for 40 s", tmp_path)
    assert rule.is_due()
    assert ask_for(rule, "reboot", "no frame for 400 s", tmp_path)
    assert not rule.is_due()
    reasons = [json.loads((tmp_path / n).read_text()) for n in ("restart-nvargus", "reboot")]
    assert reasons == [
        {"reason": "camera: no frame for 40 s"},
        {"reason": "camera: no frame for 400 s"},
    ]
