"""Smooth random fields, from which terrain, foliage, coats and light spots are made."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[float, float]
) -> Field:
    """Return random values that change smoothly.

    Args:
        rng: Source of randomness.
        shape: `(H, W)` of the field, px.
        cells: How many independent values lie along H and along W, each at least 1.

    Returns:
        `(H, W)` float32, about -1..1, mean near 0.
    """
    rows, columns = (max(2, round(n) + 1) for n in cells)
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    field = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def fractal_field(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[float, float], octaves: int = 4
) -> Field:
    """Return a sum of smooth fields, each finer and weaker than the one before.

    Args:
        rng: Source of randomness.
        shape: `(H, W)` of the field, px.
        cells: Of the coarsest field, as in `smooth_field`.
        octaves: How many fields; each has twice the cells of the one before and 0.55 of its weight.

    Returns:
        `(H, W)` float32, about -1..1.
    """
    total = np.zeros(shape, np.float32)
    weight = 1.0
    for octave in range(octaves):
        scale = 2.0**octave
        finest = (min(cells[0] * scale, shape[0]), min(cells[1] * scale, shape[1]))
        total += weight * smooth_field(rng, shape, finest)
        weight *= 0.55
    return np.asarray(total * np.float32(0.6), np.float32)
