"""How often a row is drawn or counted: each class, and each location of it, alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def balanced_weights(classes: NDArray[np.int64], locations: Sequence[str]) -> NDArray[np.float64]:
    """Return `(n,)` weights, sum 1: each class, and each of its locations, counts alike.

    Args:
        classes: `(n,)` int64.
        locations: n names.
    """
    cells = list(zip(classes.tolist(), locations, strict=True))
    sizes: dict[tuple[int, str], int] = {}
    for cell in cells:
        sizes[cell] = sizes.get(cell, 0) + 1
    places: dict[int, int] = {}
    for class_index, _ in sizes:
        places[class_index] = places.get(class_index, 0) + 1
    weights = [1 / (len(places) * places[cell[0]] * sizes[cell]) for cell in cells]
    return np.asarray(weights, np.float64)
