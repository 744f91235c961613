"""Baselines on the frozen encoder's features: zero-shot and the linear probe.

The probe is multinomial logistic regression on unit features, as CLIP is usually probed (Radford et
al., ICML 2021, arXiv 2103.00020, section 3.2), with the weights of our own sampler, by
class, location and burst. Its L2 strength is chosen by leaving out parts of what it learns from.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.judging import Cost, PartLogits, Task, best_of, judge, quality
from edgeclip.contenders import Contender
from edgeclip.folds import Folds
from edgeclip.parts import PartData
from edgeclip.training import sampling_weights

INVERSE_STRENGTHS = tuple(10.0**power for power in (-1, 0, 1, 2, 3, 4))
"""Candidates for scikit-learn's C: the sum of losses of n unit features against |w|^2 / 2."""

_MOST_FOLDS = 6  # of whole locations; one a location would cost minutes and say little more
_MOST_ITERATIONS = 400
_LEAST_PROBABILITY = 1e-7

Matrix = NDArray[np.float64]


def zero_shot(start: ZeroShot, held: PartData, test: PartData, task: Task) -> Contender:
    """Return the prompts alone as a contender.

    Args:
        start: Class matrix of the prompts; its columns are the task's.
        held: One view of each region, for temperature and thresholds: nothing else is learned.
        test: The images of the comparison.
        task: With the columns of `start`.
    """
    began = time.perf_counter()
    weights, bias = start.weights.numpy(), start.bias.numpy()

    def said(part: PartData) -> PartLogits:
        """Return the logits of a part."""
        logits = start.logit_scale * (_unit(part.features.f) @ weights) + bias
        return PartLogits(part.regions, part.classes, logits.astype(np.float32))

    cost = Cost(0, 0, time.perf_counter() - began)
    return judge("zero-shot", said(held), said(test), task=task, cost=cost)


def linear_probe_in_rounds(taught: PartData, folds: Folds, test: PartData, task: Task) -> Contender:
    """Return logistic regression as a contender, chosen and calibrated as a pack is.

    Strength, temperature and thresholds come from the logits of images that a round left out; the
    model itself is fitted to all of the images.

    Args:
        taught: Training and validation images, all views.
        folds: Rounds over them.
        test: The images of the comparison.
        task: A column a class.
    """
    began = time.perf_counter()
    rows, classes = _unit(taught.features.f), taught.classes
    weights = sampling_weights(taught.training_rows())
    count = len(task.class_names)

    def fitted_to(kept: NDArray[np.int64], strength: float) -> LogisticRegression:
        """Return the model of some rows."""
        return _fitted(rows[kept], classes[kept], weights[kept], strength)

    held = taught.chosen(folds.held)
    tried = []
    for strength in INVERSE_STRENGTHS:
        left_out = [
            _logits(fitted_to(fold.fit, strength), rows[fold.held], count) for fold in folds.folds
        ]
        logits = np.concatenate(left_out).astype(np.float32)
        tried.append(PartLogits(held.regions, held.classes, logits))
    best = best_of([quality(said, task) for said in tried])
    strength, known = INVERSE_STRENGTHS[best], tried[best]
    model = fitted_to(np.arange(len(rows)), strength)
    asked = _logits(model, _unit(test.features.f), count).astype(np.float32)
    note = f"C = {strength:g}, chosen as a pack is: in {len(folds.folds)} rounds by {folds.level}"
    cost = Cost(
        count * (rows.shape[1] + 1), int(np.max(model.n_iter_)), time.perf_counter() - began, note
    )
    own = PartLogits(test.regions, test.classes, asked)
    return judge("linear probe", known, own, task=task, cost=cost)


def linear_probe(training: PartData, validation: PartData, test: PartData, task: Task) -> Contender:
    """Return logistic regression on the frozen features as a contender.

    Args:
        training: What it is fitted to, all views.
        validation: For temperature and thresholds alone.
        test: The images of the comparison.
        task: A column a class.
    """
    began = time.perf_counter()
    rows, classes = _unit(training.features.f), training.classes
    own, count = training.training_rows(), len(task.class_names)
    weights = sampling_weights(own)
    strength = choose_strength(rows, classes, own.locations, count, weights=weights)
    model = _fitted(rows, classes, weights, strength)

    def said(part: PartData) -> PartLogits:
        """Return the logits of a part."""
        logits = _logits(model, _unit(part.features.f), len(task.class_names))
        return PartLogits(part.regions, part.classes, logits.astype(np.float32))

    parameters = len(task.class_names) * (rows.shape[1] + 1)
    note = f"C = {strength:g}, chosen by leaving out locations of the training part"
    cost = Cost(parameters, int(np.max(model.n_iter_)), time.perf_counter() - began, note)
    return judge("linear probe", said(validation), said(test), task=task, cost=cost)


def choose_strength(
    rows: Matrix,
    classes: NDArray[np.int64],
    places: Sequence[str],
    count: int,
    *,
    weights: Matrix,
) -> float:
    """Return the C with the lowest log loss on locations left out, each class weighted alike.

    Args:
        rows: `(n, E)` unit features.
        classes: `(n,)` int64.
        places: n locations; whole ones are left out together.
        count: C classes.
        weights: `(n,)` of the rows.
    """
    folds = _folds(places)
    if len(set(folds.tolist())) < 2:  # one place: nothing can be left out
        return 1.0
    losses = np.zeros(len(INVERSE_STRENGTHS))
    for fold in sorted(set(folds.tolist())):
        kept, out = folds != fold, folds == fold
        if len(np.unique(classes[kept])) < len(np.unique(classes)):
            continue  # a class would be unknown, at any strength
        for index, strength in enumerate(INVERSE_STRENGTHS):
            model = _fitted(rows[kept], classes[kept], weights[kept], strength)
            own = _log_probabilities(_logits(model, rows[out], count))
            losses[index] -= float(weights[out] @ own[np.arange(len(own)), classes[out]])
    return INVERSE_STRENGTHS[int(np.argmin(losses))]


def _folds(places: Sequence[str]) -> NDArray[np.int64]:
    """Return the fold of each row: locations dealt out in turn, the largest first."""
    names, sizes = np.unique(np.asarray(places, str), return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    fold_of = {str(names[k]): turn % _MOST_FOLDS for turn, k in enumerate(order)}
    return np.asarray([fold_of[place] for place in places], np.int64)


def _fitted(
    rows: Matrix, classes: NDArray[np.int64], weights: Matrix, strength: float
) -> LogisticRegression:
    own = weights * len(weights) / weights.sum()
    model = LogisticRegression(C=strength, max_iter=_MOST_ITERATIONS)
    # One thread: matrices are small, and two that wait for each other take 15 times as long.
    # A weak penalty on separable rows never ends; the warning of it is noise.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, classes, sample_weight=own)


def _logits(model: LogisticRegression, rows: Matrix, count: int) -> Matrix:
    """Return `(n, count)`; a class that was absent from the fit gets log of nearly 0."""
    logs = np.asarray(model.predict_log_proba(rows))
    logits = np.full((len(rows), count), np.log(_LEAST_PROBABILITY))
    logits[:, model.classes_] = np.maximum(logs, -1e3)
    return logits


def _log_probabilities(logits: Matrix) -> Matrix:
    top = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(axis=1, keepdims=True)))


def _unit(features: NDArray[np.float32]) -> Matrix:
    wide = features.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
