"""Looks at a camera's frames: frozen, black, of another size, by infrared light?"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip_device.capture.faults import FaultCode
from edgeclip_device.colours import is_colourless

_DARK_LEVEL = 4.0  # mean of 255
_DARK_TEXTURE = 1.0  # standard deviation: a lens cap; a moonless forest has noise
_SWITCH_FRAMES = 3  # so many frames agree before the light counts as switched
_THINNED = 8  # every eighth row and column: a sensor's noise shows there, too


@dataclass(frozen=True)
class Finding:
    """What is to be said of one frame.

    Attributes:
        fault: What is wrong with it, if anything.
        since_s: For how long.
        is_new_view: Size or light changed with it: what was learned of the background is void.
    """

    fault: FaultCode | None
    since_s: float
    is_new_view: bool


class FrameWatch:
    """Watches one camera.

    Args:
        frozen_s: So long may every pixel stay as it is; 0: for ever.
        strips_px: Rows of burned-in text at top and bottom: a clock goes on while a sensor does
            not.
        dark_s: So long may it be black, as an infrared switch is for a moment.
    """

    def __init__(
        self, frozen_s: float, strips_px: tuple[int, int] = (0, 0), *, dark_s: float = 10.0
    ) -> None:
        self.is_infrared: bool | None = None
        self.infrared_switches = 0
        self.size_changes = 0
        self._frozen_s, self._dark_s = frozen_s, dark_s
        self._strips_px = strips_px
        self._size: tuple[int, int] | None = None
        self._digest: int | None = None
        self._changed_at_s = 0.0
        self._lit_at_s: float | None = None
        self._against = 0

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the newest frame, px; None before the first."""
        return self._size

    def begin_anew(self) -> None:
        """Forget for how long it has been frozen or black: the camera was away on purpose."""
        self._digest = self._lit_at_s = None

    def look(self, image: NDArray[np.uint8], at_s: float) -> Finding:
        """Return what is to be said of the newest frame.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            at_s: Seconds on a clock that goes on between frames.
        """
        height, width = image.shape[:2]
        resized = self._size not in (None, (height, width))
        self._size = (height, width)
        self.size_changes += resized
        top, bottom = self._strips_px
        pixels = _thinned(image[top : height - bottom])
        is_dark = _is_dark(pixels)
        switched = not is_dark and self._light_switched(pixels)
        frozen_for = self._unchanged_s(pixels, at_s)
        dark_for = self._unlit_s(at_s, is_dark=is_dark)
        fault: FaultCode | None = None
        if dark_for >= self._dark_s:  # black frames are alike, too
            fault = "camera_dark"
        elif not dark_for and self._frozen_s and frozen_for >= self._frozen_s:
            fault = "camera_frozen"
        since_s = dark_for if fault == "camera_dark" else frozen_for
        return Finding(fault, since_s, resized or switched)

    def _unchanged_s(self, pixels: NDArray[np.uint8], at_s: float) -> float:
        digest = zlib.crc32(pixels.tobytes())
        if digest != self._digest:
            self._digest, self._changed_at_s = digest, at_s
        return at_s - self._changed_at_s

    def _unlit_s(self, at_s: float, *, is_dark: bool) -> float:
        if not is_dark or self._lit_at_s is None:
            self._lit_at_s = at_s
        return at_s - self._lit_at_s

    def _light_switched(self, pixels: NDArray[np.uint8]) -> bool:
        """Say whether the light is another one than before, for some frames now."""
        is_infrared = is_colourless(pixels)
        if self.is_infrared is None:
            self.is_infrared = is_infrared
        self._against = self._against + 1 if is_infrared != self.is_infrared else 0
        if self._against < _SWITCH_FRAMES:
            return False
        self.is_infrared, self._against = is_infrared, 0
        self.infrared_switches += 1
        return True


def _thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    size = (max(1, width // _THINNED), max(1, height // _THINNED))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _is_dark(pixels: NDArray[np.uint8]) -> bool:
    mean, deviation = cv2.meanStdDev(pixels)
    return bool(mean.mean() < _DARK_LEVEL and deviation.max() < _DARK_TEXTURE)
