"""The information strip that trail cameras burn into the lower edge of a frame."""

from __future__ import annotations

from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.locations import Location

_PARTS = 15  # the strip takes one part in fifteen of the frame's height
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PX = 22.0  # height of the font's capitals at scale 1


def strip_height(frame_height: int) -> int:
    """Return how many rows at the lower edge the strip covers in a frame of this height, px."""
    return round(frame_height / _PARTS)


def draw_strip(image: NDArray[np.uint8], place: Location, at: datetime, temperature_c: int) -> None:
    """Burn the strip into a frame, in the location's style.

    Args:
        image: `(H, W, 3)` uint8 RGB, changed in place.
        place: Gives style and camera name.
        at: Local time of the frame.
        temperature_c: Degrees Celsius.
    """
    rows = strip_height(image.shape[0])
    band = image[-rows:]
    if place.strip == "black":
        band[:] = 0
    elif place.strip == "white":
        band[:] = 255
    else:
        band[:] = (band * 0.35).astype(np.uint8)
    ink = (20, 20, 20) if place.strip == "white" else (245, 245, 245)
    scale = rows * 0.5 / _FONT_PX
    thick = max(1, round(rows / 16))
    texts = (
        (0.02, f"{place.name.upper()}"),
        (0.34, f"{temperature_c:>3d}C {temperature_c * 9 // 5 + 32}F"),
        (0.62, at.strftime("%Y-%m-%d %H:%M:%S")),
    )
    canvas = np.ascontiguousarray(band)
    for share, text in texts:
        column = round(share * image.shape[1])
        cv2.putText(
            canvas, text, (column, round(rows * 0.75)), _FONT, scale, ink, thick, cv2.LINE_AA
        )
    band[:] = canvas
