"""How good a pack is on labelled images: per target, per place, and how calibrated."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.calibration import expected_calibration_error
from edgeclip.contract.postprocess import best_class

_FEW_IMAGES = 5  # a place with fewer says little about itself

FINEST = 0.01  # average precision on a few hundred images is not finer than this


@dataclass(frozen=True)
class TargetScores:
    """One target class at its threshold.

    Attributes:
        precision: nan where nothing is called.
        recall: nan without support.
        f1: nan where nothing is called and without support.
        support: Images of the class.
        average_precision: Area under the precision-recall curve; nan without support.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float
    support: int
    found: int
    false_alarms: int


@dataclass(frozen=True)
class Evaluation:
    """One head on one set of images.

    Attributes:
        images: n.
        accuracy: Of the likeliest class.
        ece: Expected calibration error of the likeliest class.
        targets: By class name.
        confusion: `(C, C)` counts, row true, column the likeliest.
        worst_place: The location with the lowest share of right decisions, and that share.
        decisions: n class names, or None where no target reaches its threshold.
        probabilities: `(n, C)` float32.
        classes: `(n,)` int64.
    """

    images: int
    accuracy: float
    ece: float
    targets: Mapping[str, TargetScores]
    confusion: NDArray[np.int64]
    worst_place: tuple[str, float]
    decisions: tuple[str | None, ...]
    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]

    def flat(self, prefix: str) -> dict[str, float]:
        """Return the figures by name, for `pack.json`; those that are nan are left out."""
        figures = {"images": self.images, "accuracy": self.accuracy, "ece": self.ece}
        figures["worst_place_right"] = self.worst_place[1]
        for name, scores in self.targets.items():
            for key in ("precision", "recall", "f1", "average_precision", "support", "threshold"):
                figures[f"{name}/{key}"] = getattr(scores, key)
        return {f"{prefix}/{k}": round(float(v), 6) for k, v in figures.items() if np.isfinite(v)}


def evaluate(
    probabilities: NDArray[np.float32],
    classes: NDArray[np.int64],
    locations: Sequence[str],
    *,
    class_names: Sequence[str],
    on: Mapping[str, float],
) -> Evaluation:
    """Return the figures of n images.

    An image counts as called for a target as the device would call it: the likeliest class that
    reaches its threshold.

    Args:
        probabilities: `(n, C)` float32, calibrated, rows sum to 1, n >= 1.
        classes: `(n,)` int64, what is true.
        locations: n names.
        class_names: C names.
        on: Threshold by target.
    """
    decisions = tuple(best_class(row, class_names, on) for row in probabilities)
    truth = [class_names[index] for index in classes]
    likeliest = probabilities.argmax(axis=1)
    confusion = np.zeros((len(class_names), len(class_names)), np.int64)
    np.add.at(confusion, (classes, likeliest), 1)
    targets = {
        name: _scores(name, threshold, decisions, truth, probabilities[:, class_names.index(name)])
        for name, threshold in on.items()
    }
    right = [
        decision == (name if name in on else None)
        for decision, name in zip(decisions, truth, strict=True)
    ]
    return Evaluation(
        images=len(truth),
        accuracy=float((likeliest == classes).mean()),
        ece=expected_calibration_error(probabilities, classes),
        targets=targets,
        confusion=confusion,
        worst_place=_worst(right, locations),
        decisions=decisions,
        probabilities=probabilities,
        classes=classes,
    )


def mean_average_precision(
    probabilities: NDArray[np.float32], classes: NDArray[np.int64], targets: Sequence[int]
) -> float:
    """Return the mean area under the precision-recall curve over the targets that occur."""
    areas = [_average_precision(classes == i, probabilities[:, i]) for i in targets]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else 0.0


def average_precision_error(average_precision: float, positives: int) -> float:
    """Return about one standard error of an average precision, at least `FINEST`.

    The binomial one of `positives` images, whose interval Boyd, Eng and Page (ECML PKDD 2013) found
    to hold for areas under precision-recall curves.

    Args:
        average_precision: 0..1.
        positives: Images that show a target.
    """
    spread = average_precision * (1 - average_precision) / max(positives, 1)
    return max(FINEST, float(np.sqrt(max(spread, 0.0))))


def _scores(
    name: str,
    threshold: float,
    decisions: Sequence[str | None],
    truth: Sequence[str],
    probabilities: NDArray[np.float32],
) -> TargetScores:
    called = np.asarray([decision == name for decision in decisions])
    is_target = np.asarray([label == name for label in truth])
    found, support = int((called & is_target).sum()), int(is_target.sum())
    total = int(called.sum())
    return TargetScores(
        threshold=threshold,
        precision=found / total if total else math.nan,
        recall=found / support if support else math.nan,
        f1=2 * found / (total + support) if total + support else math.nan,
        average_precision=_average_precision(is_target, probabilities),
        support=support,
        found=found,
        false_alarms=total - found,
    )


def _average_precision(is_target: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    from sklearn.metrics import average_precision_score  # heavy: a second to import

    if not is_target.any():
        return float("nan")
    return float(average_precision_score(is_target, probabilities))


def _worst(right: Sequence[bool], locations: Sequence[str]) -> tuple[str, float]:
    by_place: dict[str, list[bool]] = defaultdict(list)
    for decision, place in zip(right, locations, strict=True):
        by_place[place].append(decision)
    enough = {place: own for place, own in by_place.items() if len(own) >= _FEW_IMAGES}
    shares = {place: sum(own) / len(own) for place, own in (enough or by_place).items()}
    place = min(sorted(shares), key=lambda name: shares[name])
    return place, shares[place]
