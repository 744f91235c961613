"""What is wrong with a camera is a failure and an alarm, never a blank; what is not, is neither."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from edgeclip.contract.detection import Detection
from edgeclip_device.capture.escalation import Escalation, Means
from edgeclip_device.capture.process import CaptureProcess
from edgeclip_device.capture.source import CapturedSource, Care
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions, Detector
from edgeclip_device.notify import Notifier
from edgeclip_device.sources.opening import Opening
from support.capture_drivers import OPENER, camera

Make = Callable[..., DeviceSettings]
FOREVER = "frames 100000"


def _open(folder: Path, scripts: tuple[str, ...], opening: Opening) -> CapturedSource:
    """Open a scripted camera that is judged after moments instead of half minutes."""
    address = camera(folder, *scripts)
    care = Care(
        timeout_s=1.0,
        expected_fps=None,
        watch=FrameWatch(1.0, dark_s=0.5),
        escalation=Escalation(Means(has_service=False, reboot_is_due=lambda: False)),
        ask=lambda _step, _reason: None,
    )
    start = partial(CaptureProcess, address, 0.02, opener=OPENER)
    return CapturedSource(address.name, start, care, clock=opening.clock)


def _failures(state: Path) -> list[Detection]:
    with closing(sqlite3.connect(state / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
    found = [Detection.model_validate_json(row[0]) for row in rows]
    return [item for item in found if item.failure]


def _watch(detector: Detector, is_enough: Callable[[], bool]) -> None:
    """Run a detector until enough was seen."""
    stop, ends_at_s = threading.Event(), time.monotonic() + 60

    def look() -> None:
        while not is_enough() and time.monotonic() < ends_at_s:
            time.sleep(0.05)
        stop.set()

    watcher = threading.Thread(target=look)
    watcher.start()
    detector.run(stop)
    watcher.join()


@pytest.mark.parametrize(
    ("scripts", "code"),
    [
        (("frames 10", FOREVER), "camera_stalled"),
        (("frames 10, hang", FOREVER), "camera_stalled"),
        (("frames 10, die", FOREVER), "camera_stalled"),
        (("frames 10, frozen 100000", FOREVER), "camera_frozen"),
        (("frames 10, black 100000", FOREVER), "camera_dark"),
    ],
    ids=["vanished", "hanging", "crashing", "frozen", "black"],
)
def test_a_camera_that_fails_is_a_failure_and_an_alarm_until_it_works(
    make_settings: Make,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    scripts: tuple[str, ...],
    code: str,
) -> None:
    settings = make_settings()
    options = DetectOptions(open_source=partial(_open, tmp_path, scripts))
    with opened_detector(settings, Notifier(), options) as detector:
        _watch(detector, lambda: len(_failures(settings.state)) >= 2)
        assert detector.outbox.alarms.standing().keys() <= {"degraded_precision"}
    new, end = _failures(settings.state)[:2]
    assert (new.failure, new.phase, end.phase) == ("camera_failed", "new", "end")
    assert {new.observation_type, end.observation_type} == {"unclassified"}
    assert set(re.findall(r"alarm (camera_\w+):", caplog.text)) == {code}


@pytest.mark.parametrize(
    "scripts",
    [("frames 10, small 100000", "small 100000"), ("frames 10, infrared 100000",)],
    ids=["another size", "infrared"],
)
def test_another_view_begins_the_gate_anew_and_is_no_failure(
    make_settings: Make,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    scripts: tuple[str, ...],
) -> None:
    settings = make_settings()
    options = DetectOptions(open_source=partial(_open, tmp_path, scripts))
    with opened_detector(settings, Notifier(), options) as detector:
        _watch(detector, lambda: detector.gate_counts.recalibrations > 0)
        assert detector.gate_counts.recalibrations > 0
    assert _failures(settings.state) == []
    assert "alarm camera_" not in caplog.text
