"""From validation probabilities to the thresholds of a visit: on, off, peak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.pack import Thresholds
from edgeclip.errors import GateError

LOWEST, HIGHEST = 0.05, 0.95  # outside, a few validation images would decide an extreme
_OFF = 0.7  # of `on`: a visit outlasts a frame in which the animal turns away
_PEAK = 0.1  # of the way from `on` to 1: one frame of a visit must be clearer than the median


def choose_thresholds(
    probabilities: NDArray[np.float32],
    is_target: NDArray[np.bool_],
    *,
    min_precision: float | None = None,
) -> Thresholds:
    """Return the thresholds of one class.

    `on` is the one nearest to 0.5 among those as good by F1 as the best, or the lowest that
    reaches `min_precision`; `off` and `peak` follow from it.

    Args:
        probabilities: `(n,)` float32 in [0, 1], of validation images.
        is_target: `(n,)`, with at least one True.
        min_precision: In [0, 1], or None for the best F1.

    Raises:
        GateError: No threshold reaches `min_precision`; the message names the best one.
    """
    cuts = _cuts(probabilities)
    called = probabilities[None] >= cuts[:, None]
    hits = (called & is_target[None]).sum(axis=1)
    precision = hits / np.maximum(called.sum(axis=1), 1)
    if min_precision is None:
        f1 = 2 * hits / np.maximum(called.sum(axis=1) + is_target.sum(), 1)
        on = _nearest_to_half(cuts, f1, int(is_target.sum()))
    else:
        on = _lowest_reaching(cuts, precision, hits, min_precision)
    return Thresholds(
        on=round(on, 4), off=round(on * _OFF, 4), peak=round(on + _PEAK * (1 - on), 4)
    )


def _cuts(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return candidate thresholds: the middles between neighbouring probabilities, and the ends."""
    levels = np.unique(np.clip(probabilities.astype(np.float64), LOWEST, HIGHEST))
    middles = (levels[1:] + levels[:-1]) / 2
    return np.unique(np.concatenate([[LOWEST], middles, [HIGHEST]]))


def _nearest_to_half(cuts: NDArray[np.float64], f1: NDArray[np.float64], support: int) -> float:
    """Return the threshold nearest to 0.5 whose F1 is within one image's worth of the best.

    Of calibrated probabilities the best threshold for F1 is at most 0.5 (Lipton et al., 2014,
    arXiv 1402.1892); a higher one on a few images is chance, and misses animals elsewhere.
    """
    one_image = 1 / (2 * max(support, 1))
    good = cuts[f1 >= f1.max() - one_image]
    return float(good[int(np.argmin(np.abs(good - 0.5)))])


def _lowest_reaching(
    cuts: NDArray[np.float64],
    precision: NDArray[np.float64],
    hits: NDArray[np.int64],
    wanted: float,
) -> float:
    reached = np.flatnonzero((precision >= wanted) & (hits > 0))
    if not reached.size:
        best = int(np.argmax(np.where(hits > 0, precision, -1)))
        raise GateError(
            f"no threshold reaches a precision of {wanted} on validation: the best is"
            f" {precision[best]:.3f} at {cuts[best]:.2f}: lower --min-precision or add images"
        )
    return float(cuts[reached[0]])
