"""Figures of weighted images, for many weightings at once: what a bootstrap needs.

Every metric takes what was predicted, what is true, and weights `(R, n)`, one row a resample; it
returns `(R,)`, nan where the figure is not defined. With weights of one the figures are the plain
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Metric = Callable[[NDArray[Any], NDArray[Any], Floats], Floats]


def precision(called: NDArray[np.bool_], is_target: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the share of true ones among those called; nan where none is called.

    Args:
        called: `(n,)`, what the model says.
        is_target: `(n,)`, what is true.
        weights: `(R, n)`, >= 0.
    """
    return ratio(weights @ (called & is_target), weights @ called)


def recall(called: NDArray[np.bool_], is_target: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the share of those called among the true ones; nan where there is none."""
    return ratio(weights @ (called & is_target), weights @ is_target)


def f1(called: NDArray[np.bool_], is_target: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the harmonic mean of precision and recall; nan where nothing is true or called."""
    return ratio(2 * (weights @ (called & is_target)), weights @ called + weights @ is_target)


def accuracy(labels: NDArray[np.int64], truth: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the share of right labels.

    Args:
        labels: `(n,)`, the class that the model names.
        truth: `(n,)`, the class that is true.
        weights: `(R, n)`, >= 0.
    """
    return ratio(weights @ (labels == truth), weights.sum(axis=1))


def macro_f1(labels: NDArray[np.int64], truth: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the mean F1 over the classes that occur in truth, each resample its own."""
    return _mean_over_present(f1, labels, truth, weights)


def macro_recall(labels: NDArray[np.int64], truth: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the mean recall over the classes that occur: the balanced accuracy."""
    return _mean_over_present(recall, labels, truth, weights)


def average_precision(
    probabilities: NDArray[np.float32], is_target: NDArray[np.bool_], weights: Floats
) -> Floats:
    """Return the area under the precision-recall curve, sum of (R_k - R_k-1) P_k.

    Args:
        probabilities: `(n,)` of the target; any score that orders does.
        is_target: `(n,)`.
        weights: `(R, n)`, >= 0.
    """
    hits, called = threshold_counts(probabilities, is_target, weights)
    gained = np.diff(hits, axis=1, prepend=0)
    areas = (gained * hits / np.maximum(called, np.finfo(float).tiny)).sum(axis=1)
    return ratio(areas, hits[:, -1])


def recall_at_precision(
    probabilities: NDArray[np.float32],
    is_target: NDArray[np.bool_],
    weights: Floats,
    *,
    least: float,
) -> Floats:
    """Return the highest recall of any threshold whose precision is at least `least`; else 0."""
    hits, called = threshold_counts(probabilities, is_target, weights)
    enough = (hits >= least * called - 1e-9) & (hits > 0)
    return ratio(np.where(enough, hits, 0).max(axis=1), hits[:, -1])


def precision_at_recall(
    probabilities: NDArray[np.float32],
    is_target: NDArray[np.bool_],
    weights: Floats,
    *,
    least: float,
) -> Floats:
    """Return the highest precision of any threshold whose recall is at least `least`."""
    hits, called = threshold_counts(probabilities, is_target, weights)
    enough = (hits >= least * hits[:, -1:] - 1e-9) & (called > 0)
    shares = np.where(enough, hits / np.maximum(called, np.finfo(float).tiny), 0)
    return np.asarray(np.where(hits[:, -1] > 0, shares.max(axis=1), np.nan), np.float64)


def blanks_removed(
    kept: NDArray[np.float32], is_animal: NDArray[np.bool_], weights: Floats, *, least: float
) -> Floats:
    """Return the largest share of blanks that can be put aside while `least` of the animals stay.

    Args:
        kept: `(n,)` in [0, 1]: 1 - p(blank); an image stays if this reaches the threshold.
        is_animal: `(n,)`: everything that is not blank.
        weights: `(R, n)`, >= 0.
        least: Share of the animals that must stay (Cunha et al., CVPRW 2021, use 0.96).
    """
    animals, all_kept = threshold_counts(kept, is_animal, weights)
    blanks = all_kept - animals
    enough = (animals >= least * animals[:, -1:] - 1e-9) & (animals[:, -1:] > 0)
    removed = np.where(enough, blanks[:, -1:] - blanks, 0).max(axis=1)
    return np.where(animals[:, -1] > 0, ratio(removed, blanks[:, -1]), np.nan)


def recall_at(least: float) -> Metric:
    """Return `recall_at_precision` at a fixed precision, as a metric."""
    return partial(recall_at_precision, least=least)


def precision_at(least: float) -> Metric:
    """Return `precision_at_recall` at a fixed recall, as a metric."""
    return partial(precision_at_recall, least=least)


def removed_at(least: float) -> Metric:
    """Return `blanks_removed` at a fixed recall of the animals, as a metric."""
    return partial(blanks_removed, least=least)


def plain(metric: Metric, predicted: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return a metric with every image counted once."""
    return float(metric(predicted, truth, np.ones((1, len(truth))))[0])


def ratio(top: NDArray[Any], bottom: NDArray[Any]) -> Floats:
    """Return top / bottom, nan where bottom is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan), np.float64)


def threshold_counts(
    probabilities: NDArray[np.float32], is_target: NDArray[np.bool_], weights: Floats
) -> tuple[Floats, Floats]:
    """Return hits and calls `(R, k)` at each of the k distinct thresholds, highest first.

    Args:
        probabilities: `(n,)`; n >= 1.
        is_target: `(n,)`.
        weights: `(R, n)`, >= 0.
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered, sorted_weights = probabilities[order], weights[:, order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    called = np.cumsum(sorted_weights, axis=1)[:, last]
    return np.cumsum(sorted_weights * is_target[order], axis=1)[:, last], called


def _mean_over_present(
    of_class: Metric, labels: NDArray[np.int64], truth: NDArray[np.int64], weights: Floats
) -> Floats:
    total, present = np.zeros(len(weights)), np.zeros(len(weights))
    for index in np.unique(truth):
        occurs = weights @ (truth == index) > 0
        total += np.where(occurs, of_class(labels == index, truth == index, weights), 0)
        present += occurs
    return ratio(total, present)
