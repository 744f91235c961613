"""A camera that a test makes fail and come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeclip_device.sources.live import CameraAddress
from support.clocks import StandingClock
from support.drawn_clips import GREEN

ADDRESS = CameraAddress(target="camera", api=0, name="camera", advice="plug it in")
FRAME = np.full((48, 64, 3), GREEN[::-1], np.uint8)  # as OpenCV gives it: blue, green, red


@dataclass
class FakeCamera:
    """A camera that gives frames until it does not, and can be opened again.

    Attributes:
        good: How many frames each opening gives.
        openings: Whether each opening succeeds; the last one counts for all that follow.
    """

    clock: StandingClock
    good: int = 3
    openings: list[bool] = field(default_factory=lambda: [True])
    opened: int = 0
    released: int = 0
    set_to: dict[int, float] = field(default_factory=dict)
    frame: Any = field(default_factory=FRAME.copy)
    _left: int = 0
    _is_open: bool = False

    def open(self, target: int | str, api: int, parameters: Sequence[int]) -> FakeCamera:
        """Stand in for `cv2.VideoCapture`."""
        assert (target, api, parameters) == (ADDRESS.target, ADDRESS.api, ADDRESS.parameters)
        self._is_open = self.openings[min(self.opened, len(self.openings) - 1)]
        self.opened += 1
        self._left = self.good
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Say whether it is open."""
        return self._is_open

    def set(self, propId: int, value: float) -> bool:  # noqa: N803 - OpenCV's name
        """Keep a property."""
        self.set_to[propId] = value
        return True

    def grab(self) -> bool:
        """Take a frame; a tenth of a second passes."""
        self.clock.boot_s += 0.1
        self._left -= 1
        return self._left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        """Return the frame."""
        return self.frame is not None, self.frame

    def release(self) -> None:
        """Close."""
        self.released += 1
