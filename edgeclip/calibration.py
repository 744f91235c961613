"""Temperature and its measure: how far probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.postprocess import class_probabilities, softmax

_GRID = np.geomspace(0.05, 20, 241)  # steps of 2.5 %; at the ends, calibration failed anyway
_COARSE = 10  # of these steps, a factor of 1.28: no valley is as narrow
_LEAST_PROBABILITY = 1e-7
_BINS = 15


def log_loss(
    logits: NDArray[np.float32],
    classes: NDArray[np.int64],
    column_class: Sequence[int],
    temperature: float,
) -> float:
    """Return the mean cross-entropy, each class weighted alike, against targets a little below 1.

    The true class of n_c images has the target 1 - 1 / (n_c + 2) (Platt, 1999), the others share
    the rest: with few images that are all right, boundless confidence would not be honest.

    Args:
        logits: `(n, K)` float32.
        classes: `(n,)` int64, what is true.
        column_class: The class of each of the K columns.
        temperature: Divides the logits.
    """
    probabilities = class_probabilities(
        softmax(logits, temperature), column_class, max(column_class) + 1
    )
    logs = np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))
    losses = []
    for index in sorted(set(classes.tolist())):
        mean = logs[classes == index].mean(axis=0)
        doubt = 1 / (int((classes == index).sum()) + 2)
        others = (mean.sum() - mean[index]) / max(len(mean) - 1, 1)
        losses.append(-(1 - doubt) * mean[index] - doubt * others)
    return float(np.mean(losses))


def fit_temperature(
    logits: NDArray[np.float32], classes: NDArray[np.int64], column_class: Sequence[int]
) -> float:
    """Return the temperature in 0.05..20 of the lowest log loss.

    Guo et al., ICML 2017, arXiv 1706.04599. A grid, because with several columns a class the loss
    need not be convex; a coarse one first, since a ladder fits hundreds of temperatures.

    Args:
        logits: `(n, K)` float32, of validation.
        classes: `(n,)` int64.
        column_class: The class of each column.
    """

    def lowest(places: range) -> int:
        """Return the place of the grid with the lowest loss."""
        losses = [log_loss(logits, classes, column_class, float(_GRID[n])) for n in places]
        return places[int(np.argmin(losses))]

    about = lowest(range(0, len(_GRID), _COARSE))
    near = range(max(about - _COARSE, 0), min(about + _COARSE + 1, len(_GRID)))
    return float(_GRID[lowest(near)])


def expected_calibration_error(
    probabilities: NDArray[np.float32], classes: NDArray[np.int64]
) -> float:
    """Return the ECE of the likeliest class over 15 bins of equal width, in [0, 1].

    Args:
        probabilities: `(n, C)` float32, rows sum to 1.
        classes: `(n,)` int64, n >= 1.
    """
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == classes).error


@dataclass(frozen=True)
class Reliability:
    """How often probabilities came true, by 15 bins of equal width.

    Attributes:
        counts: `(15,)` int64, images in each bin.
        said: `(15,)` float64, mean probability of each bin; nan where it is empty.
        came_true: `(15,)` float64, share that came true; nan where the bin is empty.
    """

    counts: NDArray[np.int64]
    said: NDArray[np.float64]
    came_true: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: mean |said - came true|, in [0, 1]."""
        gaps = np.abs(self.said - self.came_true)
        return float(np.nansum(gaps * self.counts) / self.counts.sum())


def reliability(probabilities: NDArray[np.float32], came_true: NDArray[np.bool_]) -> Reliability:
    """Return how often probabilities came true (Guo et al., arXiv 1706.04599, equation 3).

    Args:
        probabilities: `(n,)` float32 in [0, 1], of the likeliest class or of one class; n >= 1.
        came_true: `(n,)`.
    """
    bins = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    sums = [np.bincount(bins, values, _BINS) for values in (probabilities, came_true)]
    with np.errstate(invalid="ignore"):
        said, true = (total / counts for total in sums)
    return Reliability(counts, said, true)


def brier_score(probabilities: NDArray[np.float32], came_true: NDArray[np.bool_]) -> float:
    """Return the mean squared difference of probability and truth (Brier, 1950), in [0, 1].

    Args:
        probabilities: `(n,)` float32 in [0, 1], of one class; n >= 1.
        came_true: `(n,)`.
    """
    return float(((probabilities.astype(np.float64) - came_true) ** 2).mean())
