"""Video files: read to their end, as fast as they are asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from edgeclip.errors import SourceError
from edgeclip_device.clock import boot_now_ns
from edgeclip_device.frames import Frame

_USUAL_FPS = 25.0  # taken where a file states none
_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class VideoTiming:
    """When a clip was taken, and how much of it is looked at.

    Attributes:
        start: Of its first frame; aware UTC, or None where it is not known.
        max_fps: Frames a second to give; those between are passed over.
    """

    start: datetime | None
    max_fps: float


class VideoSource:
    """Reads a video file; a frame's time is its number divided by the file's frame rate.

    Args:
        path: The file.
        timing: When it was taken.

    Raises:
        SourceError: It is missing, empty, damaged, or its codec is unknown here.
    """

    is_live = False

    def __init__(self, path: Path, timing: VideoTiming) -> None:
        self.name = str(path)
        self._path = path
        self._timing = timing
        self._number = -1
        self._next_at_s = 0.0
        self._capture = _open(path)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 0.01 <= fps <= 1000 else _USUAL_FPS

    def read(self) -> Frame | None:
        """Return the next frame that is due, or None at the end.

        Raises:
            SourceError: Not even the first frame can be decoded.
        """
        while True:
            read_ns = time.monotonic_ns()
            if not self._capture.grab():
                self._check_that_some_were_read()
                return None
            self._number += 1
            at_s = self._number / self.fps
            if at_s + _ROUNDING_S >= self._next_at_s:
                break
        self._next_at_s += 1 / self._timing.max_fps
        self._next_at_s = max(self._next_at_s, at_s)  # a slower clip does not gather a debt
        done, image = self._capture.retrieve()
        if not done:
            raise SourceError(f"{self.name}: frame {self._number} cannot be decoded")
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        start = self._timing.start
        captured_at = start + timedelta(seconds=at_s) if start else None
        return Frame(rgb, self._number, at_s, captured_at, read_ns, boot_now_ns())

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _check_that_some_were_read(self) -> None:
        if self._number < 0:
            self._number = 0  # said once
            raise SourceError(
                f"{self.name} holds no frame that can be decoded: it is cut short, or its codec is"
                " unknown here; try `ffmpeg -i FILE -c:v libx264 out.mp4`"
            )


def _open(path: Path) -> cv2.VideoCapture:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path") from error
    if size == 0:
        raise SourceError(f"{path} is empty (0 bytes): copy it again")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"{path} is no video that can be read here: it is damaged, or its codec is unknown;"
            " try `ffmpeg -i FILE -c:v libx264 out.mp4`"
        )
    return capture
