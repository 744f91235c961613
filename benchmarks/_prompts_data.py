"""Labelled rendered images for the ablation of prompts and adapters: seen once, drawn by shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.demo_backbone import HELD_OUT, OTHER, three_way
from edgeclip.clip import Backbone
from edgeclip.features import Features
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.views import View
from edgeclip.training import TrainingRows
from edgeclip.views import cropped, recoloured

CLASSES = (HELD_OUT, OTHER, BLANK)
VIEWS = 6  # of a region that teaches: as it is, its mirror, random ones


@dataclass(frozen=True)
class Images:
    """Regions of labelled images as the encoder sees them.

    Attributes:
        features: Of n rows.
        classes: `(n,)` int64: leopard, other animal, blank.
        images: `(n,)` int64, equal for the rows of one labelled image: its frame, crop and views.
        regions: `(n,)` int64, equal for the views of one region.
        locations: n names.
    """

    features: Features
    classes: NDArray[np.int64]
    images: NDArray[np.int64]
    regions: NDArray[np.int64]
    locations: Sequence[str]

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Where the leopard is."""
        return np.asarray(self.classes == 0)

    def drawn(self, shots: int, seed: int) -> TrainingRows:
        """Return the rows of `shots` labelled images a class.

        Fewer labels are the first of more: a seed's curve grows by adding images.

        Raises:
            ValueError: A class has fewer images.
        """
        rng, chosen = np.random.default_rng(seed), list[int]()
        for number in range(len(CLASSES)):
            own = rng.permutation(np.unique(self.images[self.classes == number]))
            if len(own) < shots:
                raise ValueError(f"{CLASSES[number]} has {len(own)} images of {shots}")
            chosen += own[:shots].tolist()
        rows = TrainingRows(self.features, self.classes, self.locations, self.regions)
        return rows.chosen(np.flatnonzero(np.isin(self.images, chosen)))


def look_at(backbone: Backbone, first: int, count: int, *, views: int = 1) -> Images:
    """Return the labelled images of `count` locations from `first` on.

    Args:
        backbone: Frozen.
        first: Seed of the first location.
        count: How many.
        views: Of each region.
    """
    pixels, classes, images, regions, places = [], [], [], [], []
    image = region = -1
    for place in range(first, first + count):
        seen, names = three_way(backbone, place, 1)
        for view, name in zip(seen, names, strict=True):
            image += not view.is_crop  # a scene is its whole frame, then perhaps a crop of it
            region += 1
            pixels += _views_of(view, region, views)
            classes += [CLASSES.index(name)] * views
            images += [image] * views
            regions += [region] * views
            places += [str(place)] * views
    return Images(
        _features(backbone, pixels),
        np.asarray(classes, np.int64),
        np.asarray(images, np.int64),
        np.asarray(regions, np.int64),
        places,
    )


def _views_of(view: View, region: int, count: int) -> list[NDArray[np.uint8]]:
    """Return a region's pixels, their mirror, and parts of them under another light."""
    rng = np.random.default_rng([region, 7])
    mirror = np.ascontiguousarray(view.pixels[:, ::-1])
    found = [view.pixels, mirror][:count]
    for _ in range(count - 2):
        part = _resized(cropped(view.pixels, rng), len(view.pixels))
        found.append(recoloured(part[:, ::-1] if rng.random() < 0.5 else part, rng))
    return found


def _resized(part: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return `(side, side, 3)` by the nearest pixel."""
    rows, cols = (np.arange(side) * length // side for length in part.shape[:2])
    return np.asarray(part[rows][:, cols], np.uint8)


def _features(backbone: Backbone, pixels: Sequence[NDArray[np.uint8]]) -> Features:
    z, f = [], []
    for first in range(0, len(pixels), 128):
        own = backbone.embed_images(np.stack(pixels[first : first + 128]))
        z.append(own[0].numpy())
        f.append(own[1].numpy())
    return Features(np.concatenate(z), np.concatenate(f))
