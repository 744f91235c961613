"""Whether a frame has colours: one taken by infrared light has none, however bright it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_COLOURED = 4  # channels of an infrared frame differ less; in levels of 255
_HOT_SHARE = 0.01


def is_colourless(pixels: NDArray[np.uint8]) -> bool:
    """Say whether the channels are alike in 99 % of the pixels: a hot pixel is no colour.

    Args:
        pixels: `(H, W, 3)` uint8; a thinned frame will do.
    """
    red, green, blue = cv2.split(pixels)
    spread = cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
    return bool(np.count_nonzero(spread >= _COLOURED) <= _HOT_SHARE * spread.size)
