"""The same regions and views that the frozen encoder sees, as pixels: what a CNN is trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess import decode_image
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import read_image_file
from edgeclip.parts import UNKNOWN_PLACE
from edgeclip.regions import Region, Strips, pixels_of
from edgeclip.sampling import balanced_weights

_THREADS = 2


@dataclass(frozen=True)
class PixelPart:
    """One part of a split as pixels.

    Attributes:
        regions: n regions.
        pixels: `(n, S, S, 3)` uint8 RGB.
        classes: `(n,)` int64, the class of each region's image.
        locations: n names.
        sequences: n names.
    """

    regions: Sequence[Region]
    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    locations: Sequence[str]
    sequences: Sequence[str]

    @property
    def weights(self) -> NDArray[np.float64]:
        """How often the sampler of our own fit draws each region, `(n,)`, sum 1."""
        return balanced_weights(self.classes, self.locations, self.sequences)

    def chosen(self, rows: Sequence[int]) -> PixelPart:
        """Return some of the regions, in the given order."""
        return PixelPart(
            [self.regions[row] for row in rows],
            self.pixels[list(rows)],
            self.classes[list(rows)],
            [self.locations[row] for row in rows],
            [self.sequences[row] for row in rows],
        )


@dataclass(frozen=True)
class PixelSplit:
    """The parts of a split as pixels.

    Attributes:
        taught: Training and validation images, all views.
        set_apart: Indices of the validation images.
        test: One view of each region.
    """

    taught: PixelPart
    set_apart: frozenset[int]
    test: PixelPart

    @property
    def training(self) -> PixelPart:
        """All views of the training images."""
        regions = enumerate(self.taught.regions)
        return self.taught.chosen([n for n, r in regions if r.image not in self.set_apart])

    @property
    def validation(self) -> PixelPart:
        """The first view of the validation images."""
        regions = enumerate(self.taught.regions)
        return self.taught.chosen(
            [n for n, r in regions if r.image in self.set_apart and not r.view]
        )


def read_pixels(
    images: Sequence[LabelledImage],
    regions: Sequence[Region],
    *,
    class_names: Sequence[str],
    size: int,
    strips: Strips,
    advance: Callable[[int], None] = lambda _: None,
) -> PixelPart:
    """Return the regions of a part as pixels.

    Args:
        images: What the regions point into.
        regions: n >= 1, in any order; the result keeps it.
        class_names: C names.
        size: S, side of the input, px.
        strips: Rows to cut from each frame.
        advance: Called with the number of regions done.

    Raises:
        DataError: An image changed since it was scanned, or cannot be decoded.
    """
    spec = PreprocessSpec(size=size, mean=(0, 0, 0), std=(1, 1, 1))  # normalised on the way in
    positions: dict[int, list[int]] = defaultdict(list)
    for position, region in enumerate(regions):
        positions[region.image].append(position)
    pixels = np.empty((len(regions), size, size, 3), np.uint8)

    def read(index: int) -> int:
        frame, seed = _frame(images[index]), images[index].facts.sha256
        for position in positions[index]:
            pixels[position] = pixels_of(frame, regions[position], seed, spec=spec, strips=strips)
        return len(positions[index])

    with ThreadPoolExecutor(_THREADS) as pool:
        for done in pool.map(read, positions):
            advance(done)
    numbers = {name: number for number, name in enumerate(class_names)}
    return PixelPart(
        regions,
        pixels,
        np.asarray([numbers[images[r.image].class_name] for r in regions], np.int64),
        [images[region.image].location or UNKNOWN_PLACE for region in regions],
        [images[region.image].sequence for region in regions],
    )


def _frame(image: LabelledImage) -> NDArray[np.uint8]:
    data = read_image_file(image.path)
    if sha256_bytes(data) != image.facts.sha256:
        raise DataError(f"{image.path} changed while it was used: run the command again")
    try:
        return decode_image(data)
    except DataError as error:
        raise DataError(f"{image.path}: {error}") from error
