"""A camera behind a real capture process, whose driver fails as told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip_device.capture import process as capture_process
from edgeclip_device.capture.escalation import Escalation, Means, Step
from edgeclip_device.capture.faults import CameraFaultError
from edgeclip_device.capture.process import CaptureProcess
from edgeclip_device.capture.source import CapturedSource, Care
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.clock import SystemClock, WallClock
from edgeclip_device.frames import Frame
from support.capture_drivers import OPENER, camera, openings
from support.clocks import NOON, StandingClock
from support.drawn_clips import ground
from support.receivers import eventually

FOREVER = "frames 100000"
Open = Callable[..., CapturedSource]


@pytest.fixture
def asked() -> list[Step]:
    """What was asked of other units."""
    return []


@pytest.fixture
def open_camera(tmp_path: Path, asked: list[Step]) -> Iterator[Open]:
    """Opens cameras that follow scripts, and closes them at the end."""
    with ExitStack() as stack:

        def start(
            *scripts: str, fps: float = 60.0, clock: WallClock | None = None, **options: Any
        ) -> CapturedSource:
            kill = options.pop("kill", capture_process._kill)
            care = Care(
                timeout_s=options.pop("timeout_s", 10.0),
                expected_fps=None,
                watch=FrameWatch(options.pop("frozen_s", 30.0), dark_s=0.4),
                escalation=options.pop("escalation", Escalation(Means(False, lambda: False))),
                ask=lambda step, _reason: asked.append(step),
                start_s=options.pop("start_s", 20.0),
            )
            address = camera(tmp_path, *scripts)

            def begin() -> CaptureProcess:
                return CaptureProcess(address, 1 / fps, opener=OPENER, kill=kill)

            source = CapturedSource(address.name, begin, care, clock=clock or SystemClock())
            stack.callback(source.close)
            return source

        yield start


def _next(source: CapturedSource, within_s: float = 30.0) -> Frame:
    """Return the next frame, passing over that there is none yet."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        found = source.read()
        if isinstance(found, Frame):
            return found
    raise AssertionError("there was no frame")


def _fault(source: CapturedSource, within_s: float = 30.0) -> CameraFaultError:
    """Return the next fault, passing over frames."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        try:
            source.read()
        except CameraFaultError as error:
            return error
    raise AssertionError("there was no fault")


def _recovered(source: CapturedSource, within_s: float = 30.0) -> Frame:
    """Return the first frame after faults."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        try:
            found = source.read()
        except CameraFaultError:
            continue
        if isinstance(found, Frame):
            return found
    raise AssertionError("it did not recover")


def test_a_frame_comes_as_the_driver_gave_it_with_its_times(open_camera: Open) -> None:
    source = open_camera("frames 1, hang", clock=StandingClock())
    frame = _next(source)
    assert np.array_equal(frame.image, ground(0, (48, 64)))
    assert frame.number == 0
    assert frame.at_s == frame.boot_ns / 1e9
    assert 0 < time.monotonic_ns() - frame.read_ns < 20e9
    assert frame.captured_at is not None
    assert 0 <= (NOON - frame.captured_at).total_seconds() < 20


def test_while_the_clock_is_not_believed_the_time_of_day_stays_open(open_camera: Open) -> None:
    clock = StandingClock(at=NOON.replace(year=1970))
    assert _next(open_camera(FOREVER, clock=clock)).captured_at is None


def test_frames_above_the_rate_are_passed_over(open_camera: Open) -> None:
    source = open_camera(FOREVER, fps=5.0)
    first, second = _next(source), _next(source)
    assert second.number - first.number >= 4
    assert second.at_s - first.at_s >= 0.18


def test_a_camera_that_cannot_be_opened_says_why_and_comes_back(
    open_camera: Open, tmp_path: Path
) -> None:
    source = open_camera("absent", "absent", FOREVER)
    fault = _fault(source)
    assert (fault.code, str(fault)) == (
        "camera_stalled",
        "camera cannot be opened: plug it in: it is opened again",
    )
    assert source.health().fault == "camera_stalled"
    pid = source._process.pid
    assert _recovered(source).number >= 0
    assert openings(tmp_path) == 3
    assert source._process.pid == pid  # the process lives on
    assert source.health().fault is None
    assert source.health().reopens_1h == 2


def test_a_camera_that_vanishes_is_opened_again_by_the_same_process(open_camera: Open) -> None:
    source = open_camera("frames 3", FOREVER)
    assert "camera gives no frame" in str(_fault(source))
    assert _recovered(source).number >= 3


@pytest.mark.parametrize("script", ["frames 3, hang", "deaf, frames 3, hang"])
def test_a_read_that_hangs_ends_the_process_and_another_takes_its_place(
    open_camera: Open, script: str
) -> None:
    source = open_camera(script, FOREVER, timeout_s=1.0)
    _next(source)
    pid = source._process.pid
    fault = _fault(source)
    assert "has given no frame for" in str(fault)
    assert "a new capture process takes its place" in str(fault)
    last = source._number
    assert _recovered(source).number > last
    assert source._process.pid != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_opening_that_hangs_is_seen(open_camera: Open) -> None:
    source = open_camera("stuck", timeout_s=1.0, start_s=0.0)
    assert "has given no frame for" in str(_fault(source))


def test_a_driver_that_takes_its_process_along_takes_nothing_else(open_camera: Open) -> None:
    source = open_camera("frames 3, die", FOREVER)
    assert f"ended (-{int(signal.SIGSEGV)})" in str(_fault(source))
    _recovered(source)


def test_a_process_that_is_stuck_in_the_kernel_is_left_behind(
    open_camera: Open, caplog: pytest.LogCaptureFixture
) -> None:
    stuck: list[subprocess.Popen[bytes]] = []

    def stop(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGSTOP)  # as deaf as one that waits for a driver
        stuck.append(process)

    source = open_camera("frames 3, hang", FOREVER, timeout_s=1.0, kill=stop)
    _fault(source)
    _recovered(source)
    assert "does not end: it is left behind" in caplog.text
    assert source.health().left_behind == 1
    for process in stuck:
        process.kill()
        process.wait(10)
    assert source.health().left_behind == 0


def test_a_frozen_camera_is_opened_again_until_it_is_not(open_camera: Open) -> None:
    source = open_camera("frames 3, frozen 100000", "frozen 100000", FOREVER, frozen_s=0.4)
    fault = _fault(source)
    assert fault.code == "camera_frozen"
    assert "has given the same frame for" in str(fault)
    _recovered(source)
    assert source.health().fault is None


def test_a_camera_that_shows_no_real_scene_may_stand_still(open_camera: Open) -> None:
    source = open_camera("frozen 100000", frozen_s=0.0)
    for _ in range(30):
        _next(source)


def test_a_black_camera_is_told_and_comes_back_when_it_sees(open_camera: Open) -> None:
    source = open_camera("frames 3, black 100000", "black 30, " + FOREVER, frozen_s=0.1)
    fault = _fault(source)
    assert fault.code == "camera_dark"
    assert "has been black for" in str(fault)
    _recovered(source)
    assert source.health().fault is None


def test_another_size_is_a_new_view_and_no_failure(open_camera: Open) -> None:
    source = open_camera("frames 5, small 100000", "small 100000")
    shapes = [_next(source)]
    while shapes[-1].image.shape == shapes[0].image.shape:
        shapes.append(_next(source))
    assert shapes[-1].image.shape == (24, 32, 3)
    assert [frame.is_new_view for frame in shapes] == [False] * (len(shapes) - 1) + [True]
    health = source.health()
    assert (health.size, health.size_changes) == ((24, 32), 1)


def test_infrared_light_is_a_new_view(open_camera: Open) -> None:
    source = open_camera("frames 5, infrared 100000")
    assert not _next(source).is_new_view
    while not _next(source).is_new_view:
        pass
    health = source.health()
    assert (health.is_infrared, health.infrared_switches) == (True, 1)


def test_what_other_units_do_is_asked_for(open_camera: Open, asked: list[Step]) -> None:
    class Harsh(Escalation):
        def next_step(self, now_s: float, *, answers: bool) -> Step:
            del now_s, answers
            return "reboot" if asked else "service"

    source = open_camera("absent", "absent", FOREVER, escalation=Harsh(Means(True, lambda: True)))
    assert "a restart of the camera service is asked for" in str(_fault(source))
    _recovered(source)
    assert asked == ["service", "reboot"]


def test_the_health_of_a_good_camera_is_excellent(open_camera: Open) -> None:
    source = open_camera(FOREVER)
    _next(source)
    eventually(lambda: (_next(source), (source.health().fps or 0) > 0)[1], "a rate")
    health = source.health()
    assert health.expected_fps == pytest.approx(50)
    assert health.frame_age_s is not None
    assert health.frame_age_s < 5
    assert (health.stalls_1h, health.reopens_1h, health.left_behind) == (0, 0, 0)


def test_what_the_driver_prints_is_logged_without_secrets(
    open_camera: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    source = open_camera("say no such host rtsp://me:hunter2@camera/1, " + FOREVER)
    _next(source)
    eventually(lambda: "no such host" in caplog.text, "the driver's words")
    assert "hunter2" not in caplog.text
