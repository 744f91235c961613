"""How OpenCV opens cameras: a number, a device file, RTSP, or a GStreamer string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2

from edgeclip.errors import SourceError
from edgeclip_device.urls import masked


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Say whether the camera is open."""

    def set(self, propId: int, value: float) -> bool:  # noqa: N803 - OpenCV's name
        """Set a property; False where the camera does not take it."""

    def get(self, propId: int) -> float:  # noqa: N803 - OpenCV's name
        """Return a property; 0 where the camera does not know it."""

    def grab(self) -> bool:
        """Take the next frame without decoding it."""

    def retrieve(self) -> tuple[bool, Any]:
        """Return the frame that was taken last, BGR."""

    def release(self) -> None:
        """Close the camera."""


@dataclass(frozen=True)
class CameraAddress:
    """How OpenCV opens a camera.

    Attributes:
        target: A number, or text with credentials in it where there are any.
        api: OpenCV's backend, `cv2.CAP_*`.
        name: For logs, without secrets.
        advice: What to do if it cannot be opened.
        parameters: OpenCV's pairs of property and value, given when opening.
        wishes: Properties that are set afterwards; a camera may ignore them.
        secrets: What no log may show, whoever writes it.
        has_service: Whether a service of the system stands between us and the camera, as argus.
    """

    target: int | str = field(repr=False)
    api: int
    name: str
    advice: str
    parameters: tuple[int, ...] = ()
    wishes: tuple[tuple[int, int], ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    has_service: bool = False


Opener = Callable[[int | str, int, Sequence[int]], Capture]


def open_capture(target: int | str, api: int, parameters: Sequence[int]) -> Capture:
    """Open a camera with OpenCV."""
    return cv2.VideoCapture(target, api, list(parameters))


def open_camera(address: CameraAddress, opener: Opener) -> Capture:
    """Return an opened camera, with its wishes told.

    Raises:
        SourceError: It cannot be opened now; the message says what to check.
    """
    try:
        capture = opener(address.target, address.api, address.parameters)
    except cv2.error as error:
        raise SourceError(
            f"{address.name} cannot be opened ({error.err}): {address.advice}"
        ) from error
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{address.name} cannot be opened: {address.advice}")
    for wish, value in address.wishes:
        capture.set(wish, value)
    return capture


def v4l2_camera(number_or_path: str, wishes: tuple[tuple[int, int], ...] = ()) -> CameraAddress:
    """Return the address of a USB camera: `0`, or `/dev/v4l/by-id/...`.

    Args:
        number_or_path: Which.
        wishes: Size and rate, as OpenCV's properties.
    """
    name = f"/dev/video{number_or_path}" if number_or_path.isdigit() else number_or_path
    return CameraAddress(
        target=name,
        api=cv2.CAP_V4L2,
        name=name,
        advice="is it plugged in, used by another program, and is this user in the group video?",
        wishes=(
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),  # before the size
            *wishes,
            (cv2.CAP_PROP_BUFFERSIZE, 1),  # the newest frame, not one that has waited
        ),
    )


def size_and_rate(
    width: int | None, height: int | None, fps: int | None
) -> tuple[tuple[int, int], ...]:
    """Return what is asked of a camera, as OpenCV's properties; None is not asked."""
    asked = (
        (cv2.CAP_PROP_FRAME_WIDTH, width),
        (cv2.CAP_PROP_FRAME_HEIGHT, height),
        (cv2.CAP_PROP_FPS, fps),
    )
    return tuple((key, value) for key, value in asked if value is not None)


def rtsp_camera(
    url: str, url_with_credentials: str, timeout_s: float, secrets: tuple[str, ...] = ()
) -> CameraAddress:
    """Return the address of a network camera.

    Args:
        url: For logs.
        url_with_credentials: What is opened.
        timeout_s: For opening and for each read; OpenCV takes it only at opening.
        secrets: What no log may show.
    """
    milliseconds = round(timeout_s * 1000)
    return CameraAddress(
        target=url_with_credentials,
        api=cv2.CAP_FFMPEG,
        name=masked(url),
        advice="is the camera reachable, the path right, and are EDGECLIP_CAMERA_USERNAME and"
        " _PASSWORD set where it wants them?",
        parameters=(
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            milliseconds,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            milliseconds,
        ),
        secrets=secrets,
    )


def gstreamer_camera(pipeline: str, name: str, secrets: tuple[str, ...] = ()) -> CameraAddress:
    """Return the address of a GStreamer pipeline that ends in appsink.

    Args:
        pipeline: The string, with credentials in it where there are any.
        name: For logs.
        secrets: What no log may show.

    Raises:
        SourceError: It does not, or this OpenCV was built without GStreamer.
    """
    if not pipeline.rstrip().rpartition("!")[2].strip().startswith("appsink"):
        raise SourceError("the GStreamer string must end in `! appsink`: add it")
    built_in = [line for line in cv2.getBuildInformation().splitlines() if "GStreamer" in line]
    if not any("YES" in line for line in built_in):
        raise SourceError(
            f"this OpenCV ({Path(cv2.__file__).parent}) was built without GStreamer: on a Jetson"
            " use JetPack's OpenCV, in a venv made with --system-site-packages"
        )
    return CameraAddress(
        target=pipeline,
        api=cv2.CAP_GSTREAMER,
        name=name,
        advice="`edgeclip-device check-config` prints the string: try it with gst-launch-1.0",
        secrets=secrets,
        has_service="nvarguscamerasrc" in pipeline,
    )
