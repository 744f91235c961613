from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from edgeclip.contract.reports import Status
from edgeclip_device.capture.escalation import Escalation, Means
from edgeclip_device.capture.process import CaptureProcess
from edgeclip_device.capture.source import CapturedSource, Care
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions, Detector
from edgeclip_device.facts import DeviceFacts
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.power.resting import Resting
from edgeclip_device.power.schedule import REST, UNTIMED, Rest, Schedule
from edgeclip_device.presence import Presence
from support.capture_drivers import OPENER, camera, openings
from support.clocks import NOON, StandingClock
from support.receivers import eventually

Make = Callable[..., DeviceSettings]
Windowed = tuple[Detector, StandingClock]


@pytest.fixture
def windowed(make_settings: Make, still_clip: Path, tmp_path: Path) -> Iterator[Windowed]:
    """A detector of a camera that works from 5 to 9, at half past eight."""
    settings = make_settings(
        camera={"source": str(still_clip)},
        power={"mode": "windowed", "windows": ["05:00-09:00"]},
    )
    clock = StandingClock(at=NOON.replace(hour=8, minute=30))
    address = camera(tmp_path, "frames 100000")
    care = Care(
        timeout_s=20.0, expected_fps=None, watch=FrameWatch(1000.0, dark_s=1000.0),
        escalation=Escalation(Means(False, lambda: False)), ask=lambda _s, _r: None, start_s=20.0,
    )  # fmt: skip
    with opened_detector(settings, Notifier(), DetectOptions(clock=clock)) as detector:
        detector.source.close()
        source = CapturedSource(
            "camera", lambda: CaptureProcess(address, 1 / 60, opener=OPENER), care, clock=clock
        )
        detector.source = source
        schedule = Schedule(settings.power, clock)
        detector.resting = Resting(schedule, source, detector.outbox, detector.resting.bell)
        yield detector, clock
        source.close()


def test_a_camera_is_given_back_outside_its_hours_and_opened_again(
    windowed: Windowed, tmp_path: Path
) -> None:
    detector, clock = windowed
    stop, seen = threading.Event(), []

    def day() -> None:
        try:
            eventually(lambda: detector.gate_counts.frames > 2, "frames in the morning")
            clock.at = NOON
            eventually(lambda: detector.resting.is_asleep, "its rest")
            seen.append(detector.gate_counts.frames)
            clock.at = NOON + timedelta(hours=18)
            eventually(lambda: detector.gate_counts.frames > seen[0] + 2, "frames of a new day")
            seen.append(detector.gate_counts.frames)
        finally:
            stop.set()

    thread = threading.Thread(target=day)
    thread.start()
    detector.run(stop)
    thread.join()
    assert len(seen) == 2
    assert openings(tmp_path) == 2


def test_a_camera_may_be_closed_in_its_sleep(windowed: Windowed) -> None:
    detector, clock = windowed
    clock.at = NOON
    assert detector.resting.naps(detector.pipeline)
    detector.source.close()
    noted = Rest.from_json(detector.outbox.noted(REST))
    assert noted is not None
    assert noted.next_wake_at == NOON.replace(hour=5) + timedelta(days=1)


def test_hours_without_a_believed_clock_are_told_once_and_kept_once_it_is(
    windowed: Windowed, caplog: pytest.LogCaptureFixture
) -> None:
    detector, clock = windowed
    clock.at, clock.trusted = NOON, False
    for _ in range(3):
        assert not detector.resting.naps(detector.pipeline)
    assert caplog.text.count("the hours of [power] cannot be kept") == 1
    assert "works all the time" in (detector.outbox.noted(UNTIMED) or "")
    clock.trusted = True
    assert detector.resting.naps(detector.pipeline)
    assert detector.outbox.noted(UNTIMED) == ""


def test_a_rest_of_the_last_process_is_forgotten_at_a_start(
    make_settings: Make, still_clip: Path
) -> None:
    settings = make_settings(camera={"source": str(still_clip)})
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
        outbox.note(REST, Rest(reason="waits for its trigger").model_dump_json())
    with opened_detector(settings, Notifier(), DetectOptions()) as detector:
        assert Rest.from_json(detector.outbox.noted(REST)) is None


class Wire:
    """A link that keeps what was published."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Keep a status."""
        if topic.endswith("/status"):
            assert retain
            self.statuses.append(Status.model_validate_json(payload))
        return len(self.statuses) + (expiry_s or 0)


def test_a_sleeping_device_says_when_it_wakes(make_settings: Make) -> None:
    presence, wire = Presence(make_settings(), "018bcfe5-6800-79d7-baa4-4201ea1b234f"), Wire()
    rest = Rest(reason="outside its hours", next_wake_at=NOON)
    presence.birth(wire, DeviceFacts(), rest)
    presence.tell_rest(wire, rest)
    presence.tell_rest(wire, None)
    first, second = wire.statuses
    assert (first.state, first.reason, first.next_wake_at) == (
        "sleeping", "outside its hours", NOON,
    )  # fmt: skip
    assert (second.state, second.reason, second.next_wake_at) == ("online", None, None)


def test_a_device_whose_hours_cannot_be_kept_says_so_in_its_status(make_settings: Make) -> None:
    presence, wire = Presence(make_settings(), "018bcfe5-6800-79d7-baa4-4201ea1b234f"), Wire()
    presence.birth(wire, DeviceFacts())
    for untimed in ("no clock", "no clock", ""):
        presence.tell_rest(wire, None, untimed)
    assert [status.reason for status in wire.statuses] == [None, "no clock", None]
    assert {status.state for status in wire.statuses} == {"online"}
