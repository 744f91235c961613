from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edgeclip.errors import SourceError
from edgeclip_device.sources.cameras import (
    CameraAddress,
    gstreamer_camera,
    open_camera,
    open_capture,
    rtsp_camera,
    size_and_rate,
    v4l2_camera,
)


class Recorder:
    """A camera that notes what is set."""

    def __init__(self) -> None:
        self.set_to: dict[int, float] = {}

    def open(self, target: int | str, api: int, parameters: Sequence[int]) -> Recorder:
        del target, api, parameters
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, propId: int, value: float) -> bool:  # noqa: N803 - OpenCV's name
        self.set_to[propId] = value
        return True

    def get(self, propId: int) -> float:  # noqa: N803 - OpenCV's name
        return self.set_to.get(propId, 0.0)

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        return True, np.zeros((4, 4, 3), np.uint8)

    def release(self) -> None:
        """Close."""


def test_a_camera_is_asked_for_jpegs_and_the_newest_frame() -> None:
    camera = Recorder()
    open_camera(v4l2_camera("0"), camera.open)
    assert camera.set_to[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert camera.set_to[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")


def test_size_and_rate_are_asked_for_after_the_format() -> None:
    camera = Recorder()
    open_camera(v4l2_camera("0", size_and_rate(1280, 720, 15)), camera.open)
    asked = list(camera.set_to)
    assert asked.index(cv2.CAP_PROP_FOURCC) < asked.index(cv2.CAP_PROP_FRAME_WIDTH)
    assert camera.set_to[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert camera.set_to[cv2.CAP_PROP_FPS] == 15


def test_what_opencv_says_of_a_camera_is_part_of_the_message() -> None:
    def open_badly(target: int | str, api: int, parameters: Sequence[int]) -> Recorder:
        del target, api, parameters
        raise cv2.error("no such backend")

    with pytest.raises(SourceError, match=r"camera cannot be opened .*plug it in"):
        open_camera(CameraAddress(0, 0, "camera", "plug it in"), open_badly)


def test_a_camera_that_is_not_there_says_what_to_check() -> None:
    with pytest.raises(SourceError, match="/dev/video99 cannot be opened: is it plugged in"):
        open_camera(v4l2_camera("99"), open_capture)


def test_a_network_camera_that_is_not_there_says_what_to_check() -> None:
    url = "rtsp://127.0.0.1:1/stream"
    address = rtsp_camera(url, "rtsp://me:hunter2@127.0.0.1:1/stream", 1.0)
    with pytest.raises(SourceError, match="is the camera reachable") as caught:
        open_camera(address, open_capture)
    assert "hunter2" not in f"{caught.value} {address!r}"


def test_a_gstreamer_string_must_end_in_appsink() -> None:
    with pytest.raises(SourceError, match="must end in `! appsink`"):
        gstreamer_camera("videotestsrc ! autovideosink", "camera")


def test_an_opencv_without_gstreamer_is_named() -> None:
    if "GStreamer:                   YES" in cv2.getBuildInformation():
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match="was built without GStreamer"):
        gstreamer_camera("videotestsrc ! videoconvert ! appsink drop=true", "camera")
