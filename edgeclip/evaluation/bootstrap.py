"""How far a figure can be trusted: bootstrap over places or sequences, never over images.

Images of one place resemble one another, so whole places are drawn with replacement (Davison and
Hinkley, 1997, section 3.8). Quantiles are widened for few places as in Hesterberg's expanded
percentile interval (arXiv 1411.5279): alpha/2 becomes Phi(-sqrt(G / (G - 1)) t_(alpha/2, G - 1)).

Where all resamples agree on 0 or 1, drawing again what was seen cannot show what was not. Then the
other end is that of Clopper and Pearson (1934) for G groups of G: 1 - (alpha/2)^(1/G) away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.evaluation.metrics import Floats, Metric, f1

RESAMPLES = 1000
FEW_GROUPS = 5  # below, an interval would be a guess: the values of the places are shown instead
_OUTSIDE = 0.05  # of a 95 % interval
_LEAST_DEFINED = 0.5  # of the resamples, else the figure has no interval
_NUMBERS_AT_ONCE = 4_000_000  # weights held at a time: 32 MB


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval.

    Attributes:
        estimate: On all images; nan where it is not defined.
        low: Lower end, nan where there are too few groups.
        high: Upper end, likewise.
        groups: How many places or sequences it rests on.
        by_group: The figure of each group, where there are fewer than 5; else empty.
    """

    estimate: float
    low: float
    high: float
    groups: int
    by_group: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether there is an interval and not only an estimate."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Difference:
    """One model against another on the same images.

    Attributes:
        ours: The figure of the first.
        theirs: The figure of the second.
        interval: Of ours - theirs.
    """

    ours: float
    theirs: float
    interval: Interval

    @property
    def is_better(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.interval.is_known and self.interval.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.interval.is_known and self.interval.high < 0


def bootstrap_interval(
    predicted: NDArray[Any],
    truth: NDArray[Any],
    groups: Sequence[str],
    *,
    metric: Metric,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a figure with its 95 % interval over groups.

    Args:
        predicted: `(n,)`: decisions, labels or probabilities, as the metric takes them.
        truth: `(n,)` likewise.
        groups: n names: the location, or the sequence, of each image.
        metric: Of `edgeclip.evaluation.metrics`.
        resamples: How often groups are drawn.
        seed: Of the draws.
    """
    found = _interval(lambda rows: metric(predicted, truth, rows), groups, resamples, seed)
    if not found.is_known or not found.low == found.high == found.estimate:
        return found
    return _opened(found, _groups_that_count(truth, groups))


def paired_difference(
    ours: NDArray[Any],
    theirs: NDArray[Any],
    truth: NDArray[Any],
    groups: Sequence[str],
    *,
    metric: Metric = f1,
    seed: int = 0,
) -> Difference:
    """Return how much better one model is than another, on the same images and resamples.

    For F1 at thresholds give both models' decisions `(n,)` bool and truth `(n,)` bool; for
    `average_precision` give both models' probabilities of the target; for `macro_f1` and
    `accuracy` give labels `(n,)` int64.

    Args:
        ours: `(n,)` of the first model.
        theirs: `(n,)` of the second.
        truth: `(n,)`.
        groups: n names: the location of each image.
        metric: Of `edgeclip.evaluation.metrics`.
        seed: Of the draws.
    """
    once = np.ones((1, len(truth)))
    values = [float(metric(own, truth, once)[0]) for own in (ours, theirs)]

    def difference(rows: Floats) -> Floats:
        return metric(ours, truth, rows) - metric(theirs, truth, rows)

    return Difference(values[0], values[1], _interval(difference, groups, RESAMPLES, seed))


def resample_weights(groups: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each group is drawn in each resample, `(resamples, groups)`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, [1 / groups] * groups, size=resamples)


def widened_quantiles(groups: int) -> tuple[float, float]:
    """Return the two quantiles of a 95 % interval from `groups` >= 2 groups."""
    normal = NormalDist()
    t = _student_quantile(normal.inv_cdf(1 - _OUTSIDE / 2), groups - 1)
    lower = normal.cdf(-math.sqrt(groups / (groups - 1)) * t)
    return lower, 1 - lower


def _interval(
    figure: Callable[[Floats], Floats], groups: Sequence[str], resamples: int, seed: int
) -> Interval:
    names, index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not len(names):
        return Interval(math.nan, math.nan, math.nan, 0)
    estimate = float(figure(np.ones((1, len(index))))[0])
    if len(names) < FEW_GROUPS:
        alone = figure((index[None] == np.arange(len(names))[:, None]).astype(np.float64))
        by_group = {str(name): float(value) for name, value in zip(names, alone, strict=True)}
        return Interval(estimate, math.nan, math.nan, len(names), by_group)
    drawn = resample_weights(len(names), resamples, seed)
    at_once = max(_NUMBERS_AT_ONCE // len(index), 1)
    values = np.concatenate(
        [
            figure(drawn[start : start + at_once, index].astype(np.float64))
            for start in range(0, resamples, at_once)
        ]
    )
    defined = values[np.isfinite(values)]
    if len(defined) < _LEAST_DEFINED * resamples or not math.isfinite(estimate):
        return Interval(estimate, math.nan, math.nan, len(names))
    low, high = np.quantile(defined, widened_quantiles(len(names)))
    return Interval(estimate, float(low), float(high), len(names))


def _groups_that_count(truth: NDArray[Any], groups: Sequence[str]) -> int:
    """Return how many groups hold what a figure is about: the target, else anything."""
    if truth.dtype != bool:
        return len(set(groups))
    return len({group for group, own in zip(groups, truth.tolist(), strict=True) if own})


def _opened(interval: Interval, groups: int) -> Interval:
    """Return an interval of no width at 0 or 1 with the exact bound of so many groups."""
    reach = 1 - (_OUTSIDE / 2) ** (1 / max(groups, 1))
    if interval.estimate == 1:
        return replace(interval, low=1 - reach)
    return replace(interval, high=reach) if interval.estimate == 0 else interval


def _student_quantile(z: float, freedom: int) -> float:
    """Return Student's t from the normal quantile (Abramowitz and Stegun 26.7.5).

    Within 0.001 from four degrees of freedom on.
    """
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))
