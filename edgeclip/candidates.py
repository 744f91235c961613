"""How a method does on places that its fit has not seen: figures of out-of-fold logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.calibration import fit_temperature, log_loss
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.evaluation.bootstrap import FEW_GROUPS, Difference, paired_difference
from edgeclip.evaluation.metrics import f1, macro_f1
from edgeclip.evaluation.result import average_precision_error, mean_average_precision
from edgeclip.parts import PartData
from edgeclip.scoring import image_probabilities
from edgeclip.thresholds import choose_thresholds

_FEW_IMAGES = 5  # a place with fewer says little about itself


@dataclass(frozen=True)
class Judge:
    """What out-of-fold logits are judged by: the held-out regions of a part.

    Attributes:
        part: The training part.
        held: Rows of the regions, in the order of the logits.
        column_class: The class of each column.
        targets: Indices of the classes that are scored.
    """

    part: PartData
    held: NDArray[np.int64]
    column_class: Sequence[int]
    targets: Sequence[int]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of each held-out region, int64."""
        return self.part.classes[self.held]

    def judge(self, logits: NDArray[np.float32]) -> Score:
        """Return the figures of logits `(n, K)` float32 of the held-out regions."""
        temperature = fit_temperature(logits, self.classes, self.column_class)
        rows = class_probabilities(
            softmax(logits, temperature), self.column_class, max(self.column_class) + 1
        )
        regions = [self.part.regions[int(row)] for row in self.held]
        images, probabilities = image_probabilities(regions, rows, self.targets)
        truth = self.part.classes_of(images)
        labels = _labels(probabilities, truth, self.targets)
        places = self.part.locations_of(images)
        return Score(
            temperature=temperature,
            probabilities=probabilities,
            classes=truth,
            labels=labels,
            truth=_of_targets(truth, self.targets),
            places=places,
            groups=_groups(images, self.part, places),
            average_precision=mean_average_precision(probabilities, truth, self.targets),
            log_loss=log_loss(logits, self.classes, self.column_class, temperature),
            by_place=_by_place(labels == _of_targets(truth, self.targets), places),
        )


@dataclass(frozen=True)
class Score:
    """How a method does on the places that were held out.

    Attributes:
        temperature: Fitted to the held-out logits.
        probabilities: `(n, C)` float32 of the images, calibrated by it.
        classes: `(n,)` int64, what is true.
        labels: `(n,)` int64, of each image the target that it was called, or -1 for none.
        truth: `(n,)` int64, likewise.
        places: n names.
        groups: n names that intervals are taken over: places, or sequences where places are few.
        average_precision: Mean over the targets, of all held-out images together.
        log_loss: Each class weighted alike, at the best temperature.
        by_place: Share of right labels, of each place with at least 5 images.
    """

    temperature: float
    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    places: Sequence[str]
    groups: Sequence[str]
    average_precision: float
    log_loss: float
    by_place: Mapping[str, float]

    @property
    def mean_place(self) -> float:
        """Mean over the places of the share of right labels."""
        return float(np.mean(list(self.by_place.values())))

    @property
    def worst_place(self) -> tuple[str, float]:
        """The place with the least share of right labels, and that share."""
        place = min(self.by_place, key=lambda name: (self.by_place[name], name))
        return place, self.by_place[place]

    def against(self, other: Score) -> Difference:
        """Return how much better this is by F1, with the interval over places.

        With several targets, by the mean F1 of the targets and of what is none.
        """
        groups = list(self.groups)
        if len(set(self.truth.tolist()) - {-1}) > 1:
            return paired_difference(self.labels, other.labels, self.truth, groups, metric=macro_f1)
        ours, theirs, truth = (x >= 0 for x in (self.labels, other.labels, self.truth))
        return paired_difference(ours, theirs, truth, groups, metric=f1)


def better_first(scores: Sequence[Score]) -> list[int]:
    """Return the order of scores, the best first.

    Those within one standard error of the best average precision come first, by log loss; then the
    others. Folds are fitted apart and pooled, and few images say little: by a hair's breadth of
    average precision, one would often be chosen whose probabilities are far off.
    """
    top = max(scores, key=lambda score: score.average_precision)
    best, positives = top.average_precision, int((top.truth >= 0).sum())
    least = best - average_precision_error(best, positives)
    close = [score.average_precision >= least for score in scores]
    return sorted(
        range(len(scores)),
        key=lambda i: (
            not close[i],
            scores[i].log_loss if close[i] else -scores[i].average_precision,
        ),
    )


def _labels(
    probabilities: NDArray[np.float32], truth: NDArray[np.int64], targets: Sequence[int]
) -> NDArray[np.int64]:
    """Return the target that each image is called at the thresholds of the best F1, or -1.

    The thresholds are of these very images, for every method alike: what is compared is how well
    a threshold can separate, not how lucky one was.
    """
    on = [choose_thresholds(probabilities[:, t], truth == t).on for t in targets]
    margins = probabilities[:, list(targets)] - np.asarray(on)
    reached = np.where(margins >= 0, probabilities[:, list(targets)], -1.0)
    chosen = np.asarray(targets)[reached.argmax(axis=1)]
    return np.where(reached.max(axis=1) >= 0, chosen, -1).astype(np.int64)


def _groups(images: Sequence[int], part: PartData, places: Sequence[str]) -> list[str]:
    if len(set(places)) >= FEW_GROUPS:
        return list(places)
    return [part.images[index].sequence for index in images]


def _of_targets(truth: NDArray[np.int64], targets: Sequence[int]) -> NDArray[np.int64]:
    return np.where(np.isin(truth, list(targets)), truth, -1).astype(np.int64)


def _by_place(right: NDArray[np.bool_], places: Sequence[str]) -> dict[str, float]:
    names = np.asarray(places, dtype=str)
    counts = {str(name): int((names == name).sum()) for name in np.unique(names)}
    enough = {name for name, count in counts.items() if count >= _FEW_IMAGES} or set(counts)
    return {name: float(right[names == name].mean()) for name in sorted(enough)}
