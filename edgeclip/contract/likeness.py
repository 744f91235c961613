"""From the graph's `patch_scores` to how much each cell of a view is like one class."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.pack import PackManifest

_LEAST_SIDE = 2  # a single cell shows nobody where to look


def likeness_map(
    cells: NDArray[np.float32], class_name: str, manifest: PackManifest
) -> NDArray[np.float32] | None:
    """Return how much each cell is like a class against an empty scene.

    Where the pack has no blank, it is set against all its other classes.

    Args:
        cells: `(N - 1, K)` float32, a view's `patch_scores`, row by row.
        class_name: Of the pack.
        manifest: The pack that was bound.

    Returns:
        `(side, side)` float32; None where the cells are no square, as of a tower that has a single
        one.
    """
    side = isqrt(len(cells))
    if side < _LEAST_SIDE or side * side != len(cells):
        return None
    column_class = np.asarray(manifest.column_class)
    own = column_class == manifest.class_names.index(class_name)
    empty = [i for i, item in enumerate(manifest.classes) if item.observation_type == "blank"]
    against = np.isin(column_class, empty) & ~own
    if not against.any():
        against = ~own
    likeness = cells[:, own].mean(axis=1) - cells[:, against].mean(axis=1)
    return np.asarray(likeness.reshape(side, side), np.float32)
