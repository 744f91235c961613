"""Temperature and its measure: how far probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.postprocess import class_probabilities, softmax

_GRID = np.geomspace(0.05, 20, 241)  # steps of 2.5 %; at the ends, calibration failed anyway
_LEAST_PROBABILITY = 1e-7
_BINS = 15


def log_loss(
    logits: NDArray[np.float32],
    classes: NDArray[np.int64],
    column_class: Sequence[int],
    temperature: float,
) -> float:
    """Return the mean of -log p(class), each class weighted alike.

    Args:
        logits: `(n, K)` float32.
        classes: `(n,)` int64, what is true.
        column_class: The class of each of the K columns.
        temperature: Divides the logits.
    """
    probabilities = class_probabilities(
        softmax(logits, temperature), column_class, max(column_class) + 1
    )
    own = probabilities[np.arange(len(classes)), classes].astype(np.float64)
    losses = -np.log(np.maximum(own, _LEAST_PROBABILITY))
    present = sorted(set(classes.tolist()))
    return float(np.mean([losses[classes == index].mean() for index in present]))


def fit_temperature(
    logits: NDArray[np.float32], classes: NDArray[np.int64], column_class: Sequence[int]
) -> float:
    """Return the temperature in 0.05..20 of the lowest log loss.

    Guo et al., ICML 2017, arXiv 1706.04599. A grid, because with several columns a class the loss
    need not be convex.

    Args:
        logits: `(n, K)` float32, of validation.
        classes: `(n,)` int64.
        column_class: The class of each column.
    """
    losses = [log_loss(logits, classes, column_class, float(t)) for t in _GRID]
    return float(_GRID[int(np.argmin(losses))])


def expected_calibration_error(
    probabilities: NDArray[np.float32], classes: NDArray[np.int64]
) -> float:
    """Return the ECE of the likeliest class over 15 bins of equal width, in [0, 1].

    Args:
        probabilities: `(n, C)` float32, rows sum to 1.
        classes: `(n,)` int64, n >= 1.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == classes
    bins = np.minimum((top * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == index].mean()) - float(top[bins == index].mean()))
        * float((bins == index).mean())
        for index in sorted(set(bins.tolist()))
    ]
    return float(sum(gaps))
