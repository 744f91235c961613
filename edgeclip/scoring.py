"""Features and a pack's tensors -> probabilities of images, as the device would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import Graph
from edgeclip.adapters.running import run_graph
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.features import Features
from edgeclip.regions import Region
from edgeclip.training import inputs_of


def region_probabilities(
    graph: Graph,
    features: Features,
    tensors: Mapping[str, NDArray[np.float32]],
    column_class: Sequence[int],
) -> NDArray[np.float32]:
    """Return `(n, C)` calibrated class probabilities of n regions.

    Args:
        graph: That the tensors are slots of.
        features: Of n regions.
        tensors: A pack's, temperature included.
        column_class: The class of each column.
    """
    inputs = inputs_of(features, np.arange(len(features.f)))
    columns = run_graph(graph, inputs, tensors).probabilities.numpy()
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
