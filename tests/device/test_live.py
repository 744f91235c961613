from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from edgeclip.errors import SourceError
from edgeclip_device.sources.live import (
    CameraAddress,
    LiveSource,
    gstreamer_camera,
    rtsp_camera,
    v4l2_camera,
)
from support.cameras import ADDRESS, FakeCamera
from support.clocks import NOON, StandingClock
from support.drawn_clips import GREEN


def _source(camera: FakeCamera, max_fps: float = 60.0) -> LiveSource:
    return LiveSource(ADDRESS, max_fps, clock=camera.clock, opener=camera.open)


def test_a_frame_is_red_green_blue_with_the_time_of_day_and_of_boot() -> None:
    camera = FakeCamera(StandingClock(boot_s=50.0))
    frame = _source(camera).read()
    assert frame is not None
    assert tuple(frame.image[0, 0]) == GREEN
    assert frame.captured_at == NOON
    assert frame.at_s == pytest.approx(50.1)
    assert frame.boot_ns == pytest.approx(50.1e9)


def test_frames_above_the_rate_are_taken_and_passed_over() -> None:
    camera = FakeCamera(StandingClock(), good=100)
    source = _source(camera, max_fps=2.0)
    numbers = [frame.number for _ in range(4) if (frame := source.read())]
    assert numbers == [0, 5, 10, 15]


def test_a_camera_that_fails_is_opened_again_by_the_next_read() -> None:
    camera = FakeCamera(StandingClock(), good=1)
    source = _source(camera)
    assert source.read() is not None
    with pytest.raises(SourceError, match="gives no frame: it is opened again"):
        source.read()
    assert camera.released == 1
    frame = source.read()
    assert frame is not None
    assert (camera.opened, frame.number) == (2, 1)


def test_a_camera_that_cannot_be_opened_again_says_so_each_time() -> None:
    camera = FakeCamera(StandingClock(), good=0, openings=[True, False, False, True])
    source = _source(camera)
    for words in ("gives no frame", "cannot be opened: plug it in", "cannot be opened"):
        with pytest.raises(SourceError, match=words):
            source.read()
    camera.good = 1
    assert source.read() is not None


@pytest.mark.parametrize("frame", [None, np.zeros((4, 4), np.uint8)])
def test_a_frame_that_is_none_is_a_failure(frame: Any) -> None:
    camera = FakeCamera(StandingClock(), frame=frame)
    with pytest.raises(SourceError, match="cannot be decoded"):
        _source(camera).read()


def test_while_the_clock_is_not_believed_the_time_of_day_stays_open() -> None:
    clock = StandingClock(at=NOON.replace(year=1970))
    frame = _source(FakeCamera(clock)).read()
    assert frame is not None
    assert frame.captured_at is None


def test_a_camera_is_asked_for_jpegs_and_the_newest_frame() -> None:
    camera = FakeCamera(StandingClock())
    address = v4l2_camera("0")
    wishes = CameraAddress("camera", 0, "camera", "", wishes=address.wishes)
    LiveSource(wishes, 5, clock=camera.clock, opener=camera.open).close()
    assert camera.set_to[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert camera.set_to[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert camera.released == 1


def test_a_camera_that_is_not_there_says_what_to_check() -> None:
    with pytest.raises(SourceError, match="/dev/video99 cannot be opened: is it plugged in"):
        LiveSource(v4l2_camera("99"), 5, clock=StandingClock())


def test_a_network_camera_that_is_not_there_says_what_to_check() -> None:
    url = "rtsp://127.0.0.1:1/stream"
    address = rtsp_camera(url, "rtsp://me:hunter2@127.0.0.1:1/stream", 1.0)
    with pytest.raises(SourceError, match="is the camera reachable") as caught:
        LiveSource(address, 5, clock=StandingClock())
    assert "hunter2" not in f"{caught.value} {address!r}"


def test_a_gstreamer_string_must_end_in_appsink() -> None:
    with pytest.raises(SourceError, match="must end in `! appsink`"):
        gstreamer_camera("videotestsrc ! autovideosink")


def test_an_opencv_without_gstreamer_is_named() -> None:
    if "GStreamer:                   YES" in cv2.getBuildInformation():
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match="was built without GStreamer"):
        gstreamer_camera("videotestsrc ! videoconvert ! appsink drop=true")
