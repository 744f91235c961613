"""An image's bytes -> inputs of the encoder, decoded as small as each region allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import decode_image, shrink_of
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.regions import RANDOM_VIEWS, Region, Strips, pixels_of


@dataclass(frozen=True)
class StoredImage:
    """An image as it lies in a file.

    A whole frame is taken from a JPEG that is decoded at a half or a quarter of its size, a part of
    it from all pixels. Which regions are asked for beside one another changes none of them.

    Attributes:
        data: Of the file.
        shape: Height and width, px, in any order.
        spec: The encoder's preprocessing.
        strips: Rows to cut.
    """

    data: bytes
    shape: tuple[int, int]
    spec: PreprocessSpec
    strips: Strips

    def input(self, region: Region, seed: str = "") -> NDArray[np.uint8]:
        """Return the encoder's input `(S, S, 3)` uint8, RGB, for a region.

        Args:
            region: Of this image.
            seed: Content of the image, for the random views.

        Raises:
            DataError: It cannot be decoded, or the strips leave nothing of it.
        """
        whole = region.box is None and region.view < RANDOM_VIEWS
        frame, strips = self._reduced if whole else (self._frame, self.strips)
        return pixels_of(frame, region, seed, spec=self.spec, strips=strips)

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width, px, of the whole image as a person sees it."""
        return self._upright(self._reduced[0])

    @cached_property
    def _reduced(self) -> tuple[NDArray[np.uint8], Strips]:
        """The frame, no larger than its whole is needed, and the strips of it."""
        if self._shrink > 1:
            frame = decode_image(self.data, self._shrink)
            strips = self.strips.shrunk(self._shrink, self._upright(frame)[0])
            if strips.top_px + strips.bottom_px < len(frame):
                return frame, strips
        return self._frame, self.strips

    def _upright(self, frame: NDArray[np.uint8]) -> tuple[int, int]:
        """Return the sides of the whole image, of which this is all, divided or not."""
        rows, columns = frame.shape[:2]
        if self._shrink == 1:
            return rows, columns
        height, width = self.shape
        is_turned = (rows - columns) * (height - width) < 0
        return (width, height) if is_turned else (height, width)

    @cached_property
    def _frame(self) -> NDArray[np.uint8]:
        return decode_image(self.data)

    @cached_property
    def _shrink(self) -> int:
        return shrink_of(self.data, self.shape, self.spec.size)
