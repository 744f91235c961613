"""Backgrounds: what a camera sees when nothing happens, and which pixels differ from it."""

from __future__ import annotations

from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip_device.motion.blobs import without_specks

# MOG2: as device page section 5, measured on trail-camera bursts
_HISTORY = 500
_VARIANCE_THRESHOLD = 16.0
# average: Frigate's figures
_AVERAGE_THRESHOLD = 30
_RATE = 0.01
_CALIBRATION_RATE = 0.2
_CALIBRATION_FRAMES = 10  # at the least
_CALIBRATED_SHARE, _CALIBRATED_BOXES = 0.05, 4  # no more changes in a frame that it is known from
_LONGEST_CALIBRATION = 100  # frames; in a storm it would never end, and see no animal
_PAUSE_FRAMES = 10  # of motion, in which an animal is not learned
_DIFFERENCE_THRESHOLD = 20

Gray = NDArray[np.uint8]
Mask = NDArray[np.uint8]


class Background(Protocol):
    """Learns from each frame, and says where it differs."""

    def apply(self, gray: Gray) -> Mask:
        """Return where the frame differs from what was learned, and learn from it.

        Args:
            gray: `(H, W)` uint8.

        Returns:
            `(H, W)` uint8: 255 where it differs, else 0. All 0 for the first frame.
        """


class Mog2Background:
    """A mixture of Gaussians a pixel: takes swaying leaves for background after some time."""

    def __init__(self) -> None:
        self._model = cv2.createBackgroundSubtractorMOG2(_HISTORY, _VARIANCE_THRESHOLD, False)
        self._is_new = True

    def apply(self, gray: Gray) -> Mask:
        """Return where the frame differs; see `Background`."""
        mask = np.asarray(self._model.apply(gray), np.uint8)
        if self._is_new:  # nothing is known yet, so everything differs
            self._is_new = False
            return np.zeros_like(mask)
        return mask


class AverageBackground:
    """A running average; learns quickly at first, and not at all while something begins to move."""

    def __init__(self) -> None:
        self._mean: NDArray[np.float32] | None = None
        self._frames = 0
        self._moving = 0
        self._is_calibrating = True

    def apply(self, gray: Gray) -> Mask:
        """Return where the frame differs; see `Background`."""
        frame = gray.astype(np.float32)
        if self._mean is None:
            self._mean = frame
        differs = cv2.absdiff(frame, self._mean) > _AVERAGE_THRESHOLD
        self._frames += 1
        self._moving = self._moving + 1 if differs.any() else 0
        mask = np.where(differs, 255, 0).astype(np.uint8)
        self._is_calibrating = self._is_calibrating and not self._is_calibrated(mask)
        if self._is_calibrating or not 0 < self._moving <= _PAUSE_FRAMES:
            rate = _CALIBRATION_RATE if self._is_calibrating else _RATE
            cv2.accumulateWeighted(frame, self._mean, rate)
        return mask

    def _is_calibrated(self, mask: Mask) -> bool:
        if not _CALIBRATION_FRAMES < self._frames <= _LONGEST_CALIBRATION:
            return self._frames > _LONGEST_CALIBRATION
        boxes = cv2.connectedComponents(without_specks(mask), connectivity=8)[0] - 1
        return bool(np.mean(mask > 0) < _CALIBRATED_SHARE and boxes <= _CALIBRATED_BOXES)


class DifferenceBackground:
    """The difference to the last two frames: what moves now, and nothing that stays."""

    def __init__(self) -> None:
        self._last: list[Gray] = []

    def apply(self, gray: Gray) -> Mask:
        """Return where the frame differs; see `Background`."""
        mask = np.zeros_like(gray)
        if len(self._last) == 2:
            older, newer = self._last
            nearest = np.minimum(cv2.absdiff(gray, newer), cv2.absdiff(gray, older))
            mask = np.where(nearest > _DIFFERENCE_THRESHOLD, 255, 0).astype(np.uint8)
        self._last = [*self._last[-1:], gray]
        return mask


def new_background(algorithm: Literal["mog2", "average", "difference"]) -> Background:
    """Return a background that has seen nothing yet."""
    if algorithm == "average":
        return AverageBackground()
    return DifferenceBackground() if algorithm == "difference" else Mog2Background()
