"""Prototypes of a pack's images: a few directions that each of them is near to; needs no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ROUNDS = 20
_LEAST_NORM = 1e-12


def prototypes_of(unit: Doubles, count: int) -> Doubles:
    """Return `(count, E)` unit prototypes: spherical k-means from the farthest points, no chance.

    Args:
        unit: `(n, E)` float64 unit embeddings, n >= count.
        count: >= 1.
    """
    keys = unit_rows(unit.mean(axis=0, keepdims=True))
    while len(keys) < count:
        farthest = (unit @ keys.T).max(axis=1).argmin()
        keys = np.concatenate([keys, unit[farthest][None]])
    for _ in range(_ROUNDS):
        nearest = (unit @ keys.T).argmax(axis=1)
        sums = np.eye(count)[nearest].T @ unit
        taken = np.bincount(nearest, minlength=count) > 0
        keys = np.where(taken[:, None], unit_rows(sums), keys)
    return keys


def unit_rows(rows: Doubles) -> Doubles:
    """Return rows at unit norm; zeros stay zeros."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, _LEAST_NORM))
