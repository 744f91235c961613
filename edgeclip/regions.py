"""What the encoder sees of an image: the whole frame, the crop around its box, and views of both.

A blank has no box, but the device will crop the leaves that moved in it. So that a crop alone does
not betray an animal, blanks get a box drawn from the boxes of training images, seeded by content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import crop_square, prepare
from edgeclip.contract.preprocess_spec import Box, PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.labels.classes import BLANK
from edgeclip.labels.dataset import LabelledImage
from edgeclip.views import cropped, recoloured

VIEWS_VERSION = 3  # raise it when a view changes, or the cache would serve the old one
RANDOM_VIEWS = 2
"""The first view that is a random one; it may be a small part of the frame."""


@dataclass(frozen=True)
class Strips:
    """Rows with burned-in text, cut off before anything else: they tell the place and the hour."""

    top_px: int = 0
    bottom_px: int = 0

    def shrunk(self, by: int, height: int) -> Strips:
        """Return the strips of a frame whose sides are divided; a row that is cut goes with them.

        Args:
            by: What divides them, >= 1.
            height: Of the whole frame, px.
        """
        rows, end = -(-height // by), (height - self.bottom_px) // by
        return Strips(-(-self.top_px // by), rows - end if self.bottom_px else 0)

    def rest_of(self, height: int) -> Box:
        """Return where what is left of a frame lies on it, x, y, width, height relative to it.

        Args:
            height: Of the frame as stored, px; more than the strips.
        """
        rest = height - self.top_px - self.bottom_px
        return 0.0, self.top_px / height, 1.0, rest / height


@dataclass(frozen=True)
class Region:
    """One input of the encoder.

    Attributes:
        image: Index of the image.
        box: None for the whole frame. Relative to the frame as stored, before strips are cut.
        view: 0 as it is, 1 mirrored, from 2 on a random view.
    """

    image: int
    box: Box | None
    view: int


def regions_of(
    images: Sequence[LabelledImage],
    chosen: Sequence[int],
    *,
    views: int,
    lenders: Sequence[int] | None = None,
) -> list[Region]:
    """Return the regions of the chosen images: frame, and crop where any image has a box.

    Args:
        images: All images.
        chosen: Indices of those to return.
        views: Views of each, >= 1.
        lenders: Indices of the images whose boxes blanks borrow: those of the training part, so
            that no test image has a say in what is learned; None for all, where nothing is learned.
    """
    lent = range(len(images)) if lenders is None else lenders
    known = sorted({box for box in (images[index].box for index in lent) if box})
    regions = []
    for index in chosen:
        image = images[index]
        box = image.box or (_borrowed(image, known) if image.class_name == BLANK else None)
        frame = () if image.crop_only else (None,)
        for area in (*frame, box) if box else (None,):
            regions += [Region(index, area, view) for view in range(views)]
    return regions


def pixels_of(
    frame: NDArray[np.uint8], region: Region, seed: str, *, spec: PreprocessSpec, strips: Strips
) -> NDArray[np.uint8]:
    """Return the encoder's input for a region.

    Args:
        frame: `(H, W, 3)` uint8, RGB, as stored.
        region: Of this frame.
        seed: Content of the image, for the random views.
        spec: The encoder's preprocessing.
        strips: Rows to cut.

    Returns:
        `(size, size, 3)` uint8, RGB.

    Raises:
        DataError: The strips leave nothing of the frame.
    """
    cut, box = without_strips(frame, region.box, strips)
    area = cut if box is None else crop_square(cut, box, spec.margin)
    if region.view < RANDOM_VIEWS:
        pixels = prepare(area, spec)
        return np.ascontiguousarray(pixels[:, ::-1]) if region.view == 1 else pixels
    rng = np.random.default_rng(_number(f"{seed} {region.box} {region.view}"))
    pixels = prepare(cropped(area, rng), spec)
    return recoloured(pixels[:, ::-1] if rng.random() < 0.5 else pixels, rng)


def without_strips(
    frame: NDArray[np.uint8], box: Box | None, strips: Strips
) -> tuple[NDArray[np.uint8], Box | None]:
    """Return a frame without its strips, and a box in what is left of it.

    Args:
        frame: `(H, W, 3)` uint8, as stored.
        box: Relative to the frame as stored.
        strips: Rows to cut.

    Raises:
        DataError: The strips leave nothing of the frame.
    """
    height = frame.shape[0]
    rest = height - strips.top_px - strips.bottom_px
    if rest < 1:
        raise DataError(
            f"strips of {strips.top_px} and {strips.bottom_px} px leave nothing of {height} rows:"
            " lower --strip-top-px and --strip-bottom-px"
        )
    cut = frame[strips.top_px : strips.top_px + rest]
    if box is None or rest == height:
        return cut, box
    x, y, width, box_height = box
    top = min(max((y * height - strips.top_px) / rest, 0.0), 1.0)
    end = min(max(((y + box_height) * height - strips.top_px) / rest, top), 1.0)
    return cut, (x, top, width, end - top)


def _borrowed(image: LabelledImage, known: Sequence[Box]) -> Box | None:
    """Return another image's box, moved to a place that this image's content decides."""
    if not known:
        return None
    rng = np.random.default_rng(_number(image.facts.sha256))
    _, _, width, height = known[int(rng.integers(len(known)))]
    return float(rng.uniform(0, 1 - width)), float(rng.uniform(0, 1 - height)), width, height


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
