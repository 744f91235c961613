"""From held-out probabilities to the thresholds of a visit: on, off, peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.pack import Thresholds
from edgeclip.errors import GateError

LOWEST, HIGHEST = 0.05, 0.95  # outside, a few validation images would decide an extreme
HIGHEST_ASKED = 0.999  # where a precision is asked for, it may need an extreme
_DIGITS = 6  # of a stored threshold
_OFF = 0.7  # of `on`: a visit outlasts a frame in which the animal turns away
_PEAK = 0.1  # of the way from `on` to 1: one frame of a visit must be clearer than the median


def choose_thresholds(
    probabilities: NDArray[np.float32],
    is_target: NDArray[np.bool_],
    *,
    min_precision: float | None = None,
    min_recall: float | None = None,
) -> Thresholds:
    """Return the thresholds of one class.

    `on` is the one nearest to 0.5 among those as good by F1 as the best; or the lowest that reaches
    `min_precision`; or the highest that reaches `min_recall`; or, of those that reach both, the one
    of the best F1. `off` and `peak` follow from it.

    Args:
        probabilities: `(n,)` float32 in [0, 1], of images held out of training.
        is_target: `(n,)`, with at least one True.
        min_precision: In [0, 1], or None.
        min_recall: In [0, 1], or None.

    Raises:
        GateError: No threshold reaches what was asked; the message names the best one.
    """
    highest = HIGHEST if min_precision is None else HIGHEST_ASKED
    cuts = _cuts(probabilities, highest)
    called = probabilities[None] >= cuts[:, None]
    hits = (called & is_target[None]).sum(axis=1)
    curve = _Curve(
        cuts=cuts,
        precision=hits / np.maximum(called.sum(axis=1), 1),
        recall=hits / max(int(is_target.sum()), 1),
        f1=2 * hits / np.maximum(called.sum(axis=1) + is_target.sum(), 1),
    )
    if min_precision is None and min_recall is None:
        on = _nearest_to_half(cuts, curve.f1, int(is_target.sum()))
    else:
        on = _reaching(curve, min_precision, min_recall)
    return thresholds_at(on)


def thresholds_at(on: float) -> Thresholds:
    """Return the thresholds of a visit whose median must reach `on`, in [0, 1]."""
    return Thresholds(
        on=on, off=round(on * _OFF, _DIGITS), peak=round(on + _PEAK * (1 - on), _DIGITS)
    )


@dataclass(frozen=True)
class _Curve:
    """What each of the k candidate thresholds gives, rising."""

    cuts: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def _cuts(probabilities: NDArray[np.float32], highest: float) -> NDArray[np.float64]:
    """Return candidate thresholds: the middles between neighbouring probabilities, and the ends.

    They are rounded before they are judged, so that what is stored does what was found.
    """
    levels = np.unique(np.clip(probabilities.astype(np.float64), LOWEST, highest))
    middles = np.round((levels[1:] + levels[:-1]) / 2, _DIGITS)
    return np.unique(np.concatenate([[LOWEST], middles, [highest]]))


def _nearest_to_half(cuts: NDArray[np.float64], f1: NDArray[np.float64], support: int) -> float:
    """Return the threshold nearest to 0.5 whose F1 is within one image's worth of the best.

    Of calibrated probabilities the best threshold for F1 is at most 0.5 (Lipton et al., 2014,
    arXiv 1402.1892); a higher one on a few images is chance, and misses animals elsewhere.
    """
    one_image = 1 / (2 * max(support, 1))
    good = cuts[f1 >= f1.max() - one_image]
    return float(good[int(np.argmin(np.abs(good - 0.5)))])


def _reaching(curve: _Curve, precision: float | None, recall: float | None) -> float:
    """Return the threshold that reaches what is asked and gives away least of the other."""
    enough = (curve.recall > 0) & (curve.precision >= (precision or 0))
    if not enough.any():
        best = int(np.argmax(np.where(curve.recall > 0, curve.precision, -1)))
        raise GateError(
            f"no threshold reaches a precision of {precision} on the images held out: the best is"
            f" {curve.precision[best]:.3f} at {curve.cuts[best]:.2f}: lower --min-precision or add"
            " images"
        )
    both = np.flatnonzero(enough & (curve.recall >= (recall or 0)))
    if not both.size:
        most = float(curve.recall[enough].max())
        beside = f" at a precision of {precision}" if precision is not None else ""
        raise GateError(
            f"no threshold reaches a recall of {recall}{beside} on the images held out: the most is"
            f" {most:.3f}: lower --min-recall or add images"
        )
    if precision is None:
        return float(curve.cuts[both[-1]])
    if recall is None:
        return float(curve.cuts[both[0]])
    return float(curve.cuts[both[int(np.argmax(curve.f1[both]))]])
