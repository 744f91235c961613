"""Features and a pack's tensors -> probabilities of images, as the device would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import run_head
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.features import Features
from edgeclip.regions import Region


def region_probabilities(
    features: Features, tensors: Mapping[str, NDArray[np.float32]], column_class: Sequence[int]
) -> NDArray[np.float32]:
    """Return `(n, C)` calibrated class probabilities of n regions.

    Args:
        features: Of n regions.
        tensors: A pack's, temperature included.
        column_class: The class of each column.
    """
    columns = run_head(features.z, features.f, tensors).probabilities.numpy()
    return class_probabilities(columns, column_class, max(column_class) + 1)


def image_probabilities(
    regions: Sequence[Region], probabilities: NDArray[np.float32], targets: Sequence[int]
) -> tuple[list[int], NDArray[np.float32]]:
    """Return the probabilities of each image: those of its region with the likeliest target.

    The device classifies frame and crop alike and lets the higher target probability win.

    Args:
        regions: n regions.
        probabilities: `(n, C)` float32 of the regions.
        targets: Indices of the target classes.

    Returns:
        Indices of the images in order of first appearance, and `(images, C)` float32.
    """
    highest = probabilities[:, list(targets)].max(axis=1)
    best: dict[int, int] = {}
    for row, region in enumerate(regions):
        known = best.setdefault(region.image, row)
        if highest[row] > highest[known]:
            best[region.image] = row
    return list(best), probabilities[list(best.values())]
