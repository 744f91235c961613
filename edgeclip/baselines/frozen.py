"""Baselines on the frozen encoder's features: zero-shot and the linear probe.

The probe is multinomial logistic regression on unit features, as CLIP is usually probed (Radford et
al., ICML 2021, arXiv 2103.00020, section 3.2), with the weights of our own sampler, by
class, location and burst. Its L2 strength is chosen by leaving out parts of what it learns from.
"""

from __future__ import annotations

import time
import warnings

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


def _unit(features: NDArray[np.float32]) -> Matrix:
    wide = features.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
