"""The bytes of an image -> what the encoder sees of it, and the facts that the outputs tell."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeclip.contract.preprocess_spec import Box, PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.labels.exif import read_exif
from edgeclip.labels.scan import INFRARED_SATURATION, LEAST_SIDE, MOST_PIXELS
from edgeclip.labels.times import time_in_name
from edgeclip.regions import Region, Strips
from edgeclip.stored_image import StoredImage

_HEADERS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


@dataclass(frozen=True)
class Seen:
    """An image as it was seen.

    Attributes:
        views: `(1 + boxes, S, S, 3)` uint8, RGB: the whole frame, then the crop around each box.
        width: Pixels, upright.
        height: Pixels, upright.
        taken_at: From EXIF, else from the name; aware UTC, or None.
        infrared: Whether it has no colour.
    """

    views: NDArray[np.uint8]
    width: int
    height: int
    taken_at: datetime | None
    infrared: bool


@dataclass(frozen=True)
class Looking:
    """How images are looked at.

    Attributes:
        spec: The encoder's preprocessing.
        strips: Rows that are cut off first.
        zone: Of times that have none.
    """

    spec: PreprocessSpec
    strips: Strips
    zone: tzinfo

    def look(self, name: str, data: bytes, boxes: Sequence[Box] = ()) -> Seen:
        """Return what is seen of an image.

        Args:
            name: May tell the time.
            data: Of the file.
            boxes: Relative to the frame.

        Raises:
            DataError: It is no image, damaged, too small or too large.
        """
        shape, taken_at = self._header(name, data)
        image = StoredImage(data, shape, self.spec, self.strips)
        views = [image.input(Region(0, box, 0)) for box in (None, *boxes)]
        hsv = cv2.cvtColor(views[0], cv2.COLOR_RGB2HSV)
        infrared = float(hsv[..., 1].mean()) < INFRARED_SATURATION
        height, width = image.upright
        return Seen(np.stack(views), width, height, taken_at, infrared)

    def _header(self, name: str, data: bytes) -> tuple[tuple[int, int], datetime | None]:
        """Refuse what is too large before it is decoded; return its sides and its time."""
        named_at = time_in_name(name.rsplit("/", 1)[-1], self.zone)
        try:
            with Image.open(io.BytesIO(data), formats=_HEADERS) as image:
                width, height = image.size
                taken_at = read_exif(image, self.zone).taken_at
        except Exception as error:  # damaged bytes fail in Pillow in any way
            raise DataError("no image: the content is not of a known image format") from error
        if width * height > MOST_PIXELS:
            raise DataError(f"{width} x {height} pixels: too large (limit 120 megapixels)")
        if min(width, height) < LEAST_SIDE:
            raise DataError(f"{width} x {height} pixels: too small to show anything")
        return (height, width), taken_at or named_at
