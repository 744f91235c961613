from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import OutboxError
from edgeclip_device.clock import SystemClock, boot_id, boot_now_ns
from edgeclip_device.config import OutboxSettings
from edgeclip_device.facts import ARMED
from edgeclip_device.field.health_gate import judge
from edgeclip_device.locks import only_process
from edgeclip_device.outbox import Outbox
from edgeclip_device.vitals import VITALS, Vitals
from support.processes import complete

Leave = Callable[..., Path]


@pytest.fixture
def leave(tmp_path: Path) -> Iterator[Leave]:
    """Leaves a state folder as running services do: with locks and vitals of this age."""
    state = tmp_path / "state"
    with ExitStack() as stack:

        def make(
            age_s: float = 1.0,
            frame_s: float | None = 1.0,
            jobs: str = "detect uplink",
            **more: Any,
        ) -> Path:
            for job in jobs.split():
                stack.enter_context(only_process(state, job))
            now = boot_now_ns()
            vitals = Vitals.model_validate(
                {
                    "boot_id": boot_id(), "boot_ns": now - round(age_s * 1e9),
                    "frame_ns": None if frame_s is None else now - round(frame_s * 1e9),
                    "camera": {"fps": 5.0, "expected_fps": 5.0}, "gate": {}, "infer": {"count": 3},
                    "drift": {}, "visits": {}, "process": {}, "rss_mb": 1.0, "available_mb": 1.0,
                    **more,
                }
            )  # fmt: skip
            with closing(Outbox(state, OutboxSettings(), SystemClock())) as outbox:
                outbox.note(VITALS, vitals.model_dump_json())
            return state

        yield make


def test_what_is_not_known_of_a_device_is_not_told_as_none(leave: Leave) -> None:
    lines = judge(leave(camera={}, infer={"count": 0})).lines()
    assert lines[:2] == ["camera     an unknown number of frames a second", "classifier 0 frames"]
    told = judge(leave(jobs="", camera={"fps": 152.46, "expected_fps": 5.0})).lines()
    assert told[0] == "camera     152.46 frames a second, 5 expected"


def test_a_device_that_works_is_healthy(leave: Leave) -> None:
    assert judge(leave()).problems == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"jobs": "uplink"}, "detect does not run"),
        ({"jobs": "detect"}, "uplink does not run"),
        ({"age_s": 600.0}, "has said nothing for 600 s"),
        ({"frame_s": None}, "no frame has come yet"),
        ({"frame_s": 300.0}, "newest frame is 300 s old"),
        ({"boot_id": "another"}, "nothing since this boot"),
    ],
    ids=["detect", "uplink", "silence", "no frame", "old frame", "old boot"],
)
def test_what_speaks_against_it_is_named(leave: Leave, found: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in judge(leave(**found)).problems)


def test_a_camera_that_sleeps_by_plan_is_no_fault(leave: Leave) -> None:
    assert judge(leave(frame_s=9000.0, is_asleep=True)).problems == []


@pytest.mark.parametrize("why", ["is_asleep", "is_waiting"])
def test_where_no_frame_is_due_none_is_missed(leave: Leave, why: str) -> None:
    assert judge(leave(frame_s=None, **{why: True})).problems == []


def test_without_an_outbox_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="holds no outbox"):
        judge(tmp_path)


def test_the_gate_is_an_exit_code(leave: Leave) -> None:
    state = leave()
    done = complete("health", "--state", state, "--gate", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["healthy"] is True


def test_an_unhealthy_device_ends_with_3_and_the_reason(leave: Leave) -> None:
    state = leave(frame_s=None)
    assert complete("health", "--state", state).returncode == 0
    done = complete("health", "--state", state, "--gate")
    assert done.returncode == 3
    assert "no frame has come yet" in done.stderr


def test_a_disarmed_device_passes_the_gate_and_says_that_it_classifies_nothing(
    leave: Leave,
) -> None:
    state = leave()
    with closing(Outbox(state, OutboxSettings(), SystemClock())) as outbox:
        outbox.note(ARMED, "0")
    done = complete("health", "--state", state, "--gate")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nhealthy, but disarmed\n")
    assert "no frame is classified until `edgeclip-device command arm`" in done.stdout
    assert judge(state).facts()["armed"] is False
