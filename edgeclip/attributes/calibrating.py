"""How far an answer can be believed: a temperature, and figures of places held out of its fit.

The temperature is one number, so that it can only make answers bolder or more careful, never other
ones. What is measured is measured on places, or bursts, that were left out of its fit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.calibration import expected_calibration_error, fit_temperature
from edgeclip.contract.attributes import AskedGroup, AttributeGroup, Measured, meanings
from edgeclip.contract.postprocess import softmax
from edgeclip.labels.dataset import LabelledImage

LEAST_IMAGES = 20  # fewer say nothing of a share such as 60 %
LEAST_OF_OPTION = 5  # of two options at the least
_MOST_FOLDS = 5
_DIGITS = 4
_ERRORS = 2  # standard errors by which it has to beat naming the commonest answer

Array = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Calibrated:
    """A group as a pack asks it.

    Attributes:
        group: With temperature, figures and verdict.
        why_not: Why it is not verified; empty where it is.
    """

    group: AttributeGroup
    why_not: str = ""


def truths(group: AskedGroup, images: Sequence[LabelledImage]) -> Numbers:
    """Return `(n,)` int64: which option the table names for each image; -1 where it names none."""
    known = {text: at for at, option in enumerate(group.options) for text in meanings(option)}
    column = group.label_column
    said = [dict(image.said).get(column, "") for image in images]
    return np.array([known.get(text.strip().casefold(), -1) for text in said], np.int64)


def calibrated(
    group: AskedGroup, logits: Array, truth: Numbers, images: Sequence[LabelledImage]
) -> Calibrated:
    """Return a group with the temperature that its labelled images ask for.

    Args:
        group: As asked.
        logits: `(n, O)` float32, scaled cosines.
        truth: `(n,)` int64, of each image the option, or -1.
        images: n, for their places and bursts.
    """
    known = np.flatnonzero(truth >= 0)
    counts = Counter(truth[known].tolist())
    often = [count for count in counts.values() if count >= LEAST_OF_OPTION]
    asked = group.model_dump()
    if len(known) < LEAST_IMAGES or len(often) < 2:
        why = (
            f"{len(known)} animals have a label for it in the column {group.label_column}, of"
            f" {len(counts)} options: {LEAST_IMAGES} are needed, {LEAST_OF_OPTION} each of two"
        )
        return Calibrated(AttributeGroup(**asked), why)
    logits, truth = logits[known], truth[known]
    own = [images[index] for index in known.tolist()]
    folds = _folds(own)
    if folds.max() == 0:
        return Calibrated(AttributeGroup(**asked), "all labels are of one burst")
    temperature = _temperature(logits, truth)
    held_out = _held_out(logits, truth, folds)
    measured = _measured(held_out, truth, group.threshold, len({i.location for i in own} - {None}))
    why = _why_not(measured, group.threshold)
    return Calibrated(
        AttributeGroup(
            **asked, temperature=round(temperature, 6), verified=not why, measured=measured
        ),
        why,
    )


def _temperature(logits: Array, truth: Numbers) -> float:
    return fit_temperature(logits, truth, range(logits.shape[1]))


def _held_out(logits: Array, truth: Numbers, folds: Numbers) -> Array:
    """Return `(n, O)` probabilities, each by a temperature that was fitted to the other folds."""
    found = np.empty_like(logits)
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        found[held] = softmax(logits[held], _temperature(logits[~held], truth[~held]))
    return found


def _measured(probabilities: Array, truth: Numbers, threshold: float, places: int) -> Measured:
    right = probabilities.argmax(axis=1) == truth
    told = probabilities.max(axis=1) >= threshold
    return Measured(
        images=len(truth),
        places=places,
        accuracy=round(float(right.mean()), _DIGITS),
        commonest=round(float(np.bincount(truth).max() / len(truth)), _DIGITS),
        told=round(float(told.mean()), _DIGITS),
        told_accuracy=round(float(right[told].mean()), _DIGITS) if told.any() else None,
        calibration_error=round(expected_calibration_error(probabilities, truth), _DIGITS),
    )


def _why_not(measured: Measured, threshold: float) -> str:
    """Return why the figures do not verify a group, or nothing."""
    if measured.told_accuracy is None:
        return f"no answer reaches the threshold {threshold:g}"
    if measured.told_accuracy < threshold:
        return (
            f"answers that reach {threshold:g} are right in {measured.told_accuracy:.0%} of the"
            " cases"
        )
    chance = _ERRORS * math.sqrt(measured.accuracy * (1 - measured.accuracy) / measured.images)
    if measured.accuracy <= measured.commonest + chance:
        return (
            f"right in {measured.accuracy:.0%} of the cases, and naming the commonest answer in"
            f" {measured.commonest:.0%}: no more than chance may give"
        )
    return ""


def _folds(images: Sequence[LabelledImage]) -> Numbers:
    """Return `(n,)` int64: images of one place, or burst where there is one place, share a fold."""
    places = {image.location for image in images}
    names = [i.location if len(places) > 1 else i.sequence for i in images]
    sizes = np.zeros(min(_MOST_FOLDS, len(set(names))), np.int64)
    fold_of = {}
    for name, count in sorted(Counter(names).items(), key=lambda item: (-item[1], str(item[0]))):
        fold_of[name] = int(sizes.argmin())
        sizes[fold_of[name]] += count
    return np.array([fold_of[name] for name in names], np.int64)
