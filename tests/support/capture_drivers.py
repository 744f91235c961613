"""Drivers of cameras that fail as told; a capture process loads them by name.

The address says what happens, step by step: `frames 5, hang` gives five frames, and then no read
returns. What a step leaves behind for the next opening lies in a file that the address names.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip_device.sources.cameras import CameraAddress
from support.drawn_clips import ground

OPENER = "support.capture_drivers:open_scripted"
_PERIOD_S = 0.02
_FRAMES = {"frames", "frozen", "black", "infrared", "small", "full_hd"}


def camera(folder: Path, *scripts: str) -> CameraAddress:
    """Return the address of a camera that follows a script at each opening.

    Args:
        folder: Where it counts its openings.
        scripts: Of the first opening, the second, ...; the last one counts for all that follow.
            Steps are `frames N`, `frozen N`, `black N`, `infrared N`, `small N`, `full_hd N`
            (1080 rows), `hang`, `die`,
            `say TEXT`, `deaf` (to SIGTERM); or `absent`, for one that cannot be opened, or
            `stuck`, for one whose opening never returns.
    """
    script = "|".join(scripts)
    return CameraAddress(f"{folder}|{script}", api=0, name="camera", advice="plug it in")


def openings(folder: Path) -> int:
    """Return how often the camera was opened."""
    counter = folder / "openings"
    return len(counter.read_text()) if counter.exists() else 0


class ScriptedCamera:
    """A camera that follows a script."""

    def __init__(self, script: str) -> None:
        self._images = _images(script)
        self._is_open = script != "absent"
        self._image: NDArray[np.uint8] | None = None

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Say whether it is open."""
        return self._is_open

    def set(self, propId: int, value: float) -> bool:  # noqa: ARG002, N803 - OpenCV's name
        """Take no property."""
        return False

    def get(self, propId: int) -> float:  # noqa: ARG002, N803 - OpenCV's name
        """Return its frames a second, the one property that is asked for."""
        return 1 / _PERIOD_S

    def grab(self) -> bool:
        """Take the next step."""
        time.sleep(_PERIOD_S)
        self._image = next(self._images, None)
        return self._image is not None

    def retrieve(self) -> tuple[bool, NDArray[np.uint8] | None]:
        """Return the frame, BGR."""
        return True, self._image

    def release(self) -> None:
        """Close."""


def open_scripted(target: int | str, api: int, parameters: Sequence[int]) -> ScriptedCamera:  # noqa: ARG001 - OpenCV's arguments
    """Stand in for `cv2.VideoCapture`."""
    folder, *scripts = str(target).split("|")
    opened = openings(Path(folder))
    with (Path(folder) / "openings").open("a") as counter:
        counter.write("+")
    script = scripts[min(opened, len(scripts) - 1)]
    if script == "stuck":
        time.sleep(3600)
    return ScriptedCamera(script)


def _images(script: str) -> Iterator[NDArray[np.uint8]]:
    for step in script.split(", "):
        kind, _, rest = step.partition(" ")
        if kind in _FRAMES:
            for n in range(int(rest)):
                yield _image(kind, n)
        else:
            _do(kind, rest)


def _do(kind: str, rest: str) -> None:
    if kind == "hang":
        time.sleep(3600)
    elif kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif kind == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "say":
        print(rest, flush=True)  # noqa: T201 - as argus does


def _image(kind: str, n: int) -> NDArray[np.uint8]:
    """Return a frame, BGR."""
    if kind == "black":
        return np.zeros((48, 64, 3), np.uint8)
    if kind == "infrared":
        gray = ground(n, (48, 64))[:, :, :1]
        return np.repeat(gray, 3, axis=2)
    if kind == "full_hd":
        return _large(n % 4)
    size = (24, 32) if kind == "small" else (48, 64)
    return np.ascontiguousarray(ground(99 if kind == "frozen" else n, size)[:, :, ::-1])


@cache
def _large(n: int) -> NDArray[np.uint8]:
    """Return one of a few large frames: to draw each anew would take longer than a camera does."""
    return np.ascontiguousarray(ground(n, (1080, 1920))[:, :, ::-1])
