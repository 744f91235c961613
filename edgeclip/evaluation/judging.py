"""One contender on one set of images: every figure of the report, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.calibration import Reliability, brier_score, reliability
from edgeclip.contenders import Contender
from edgeclip.evaluation import metrics
from edgeclip.evaluation.alerts import AlertFigures, alert_figures
from edgeclip.evaluation.bootstrap import Interval, bootstrap_interval
from edgeclip.evaluation.images import (
    JudgedImages,
    highest_of_sequences,
    mean_over_sequences,
    sequence_rows,
)
from edgeclip.evaluation.result import Evaluation, evaluate
from edgeclip.evaluation.slices import Slice, slices_of

PRECISIONS = (0.90, 0.95, 0.98)
RECALLS = (0.90, 0.95)
ANIMAL_RECALLS = (0.90, 0.95, 0.96)


@dataclass(frozen=True)
class ClassScores:
    """One class, by the likeliest class of each image; figures that are not defined are nan."""

    name: str
    precision: float
    recall: float
    f1: float
    average_precision: float
    support: int


@dataclass(frozen=True)
class TargetFigures:
    """One target beyond its scores at the threshold.

    Attributes:
        precision: At the threshold, as `recall` and `f1`.
        average_precision: Area under the precision-recall curve.
        recall_at: Highest recall of any threshold at a precision of 90, 95, 98 %, by precision.
        precision_at: Highest precision at a recall of 90, 95 %, by recall.
        reliability: Of the target's probability.
        ece_before: Of the target at temperature 1; nan where that is not known.
        brier: Of the target's probability.
        alerts: After the cooldown; None where too few images have place and time.
        sequence_recall: Share of the target's sequences in which any frame is called.
        sequence_precision: Share of true ones among the sequences in which any frame is called.
    """

    precision: Interval
    recall: Interval
    f1: Interval
    average_precision: Interval
    recall_at: Mapping[float, Interval]
    precision_at: Mapping[float, Interval]
    reliability: Reliability
    ece_before: float
    brier: float
    alerts: AlertFigures | None
    sequence_recall: float
    sequence_precision: float


@dataclass(frozen=True)
class Judgement:
    """One contender on one set of images.

    Attributes:
        contender: Whose figures they are.
        frames: Every image by itself, at the thresholds.
        sequences: Every sequence: softmax of its mean logits, at the same thresholds.
        accuracy: Of the likeliest class, as `macro_f1` and `macro_recall` (balanced accuracy).
        classes: Of the likeliest class, one by one.
        targets: By class name.
        blanks_removed: By the share of animals that must stay; empty without blanks or animals.
        reliability: Of the likeliest class.
        ece_before: Of the likeliest class at temperature 1; nan where that is not known.
        slices: Day and night, size, place.
    """

    contender: Contender
    frames: Evaluation
    sequences: Evaluation
    accuracy: Interval
    macro_f1: Interval
    macro_recall: Interval
    classes: Sequence[ClassScores]
    targets: Mapping[str, TargetFigures]
    blanks_removed: Mapping[float, Interval]
    reliability: Reliability
    ece_before: float
    slices: Sequence[Slice]

    @property
    def name(self) -> str:
        """The contender's name."""
        return self.contender.name


def judge(contender: Contender, judged: JudgedImages, targets: Sequence[str]) -> Judgement:
    """Return all figures of a contender.

    Frames whose label is of their whole sequence count for sequences, visits and alarms alone.

    Args:
        contender: With probabilities of exactly these images, n >= 1.
        judged: n images.
        targets: Classes with thresholds.
    """
    whole = _Whole.of(contender, judged)
    own = judged.frame_rows
    contender, judged = contender.among(own), judged.among(own, by_sequence=judged.by_sequence)
    probabilities, truth = contender.probabilities, judged.classes
    labels = probabilities.argmax(axis=1)
    frames = _evaluated(contender, probabilities, truth, judged.locations, judged.class_names)
    decisions = decided(frames, judged.class_names)
    numbers = [list(judged.class_names).index(name) for name in targets]
    accuracy, macro_f1, macro_recall = (
        bootstrap_interval(labels, truth, judged.groups, metric=metric)
        for metric in (metrics.accuracy, metrics.macro_f1, metrics.macro_recall)
    )
    uncalibrated = contender.uncalibrated
    return Judgement(
        contender=contender,
        frames=frames,
        sequences=whole.sequences,
        accuracy=accuracy,
        macro_f1=macro_f1,
        macro_recall=macro_recall,
        classes=_classes(probabilities, labels, judged),
        targets={
            judged.class_names[number]: _target(
                contender, judged, decisions == number, number, whole
            )
            for number in numbers
        },
        blanks_removed=_blanks_removed(probabilities, judged),
        reliability=reliability(probabilities.max(axis=1), labels == truth),
        ece_before=_ece_before(uncalibrated, truth),
        slices=slices_of(judged, decisions, numbers),
    )


@dataclass(frozen=True)
class _Whole:
    """All images, those with the label of their sequence too, as sequences and visits see them."""

    judged: JudgedImages
    sequences: Evaluation
    decisions: NDArray[np.int64]
    index: NDArray[np.int64]

    @staticmethod
    def of(contender: Contender, judged: JudgedImages) -> _Whole:
        """Return what a contender says of them."""
        said, names, rows = contender.probabilities, judged.class_names, sequence_rows(judged)
        frames = _evaluated(contender, said, judged.classes, judged.locations, names)
        mean = mean_over_sequences(said, rows.index)
        sequences = _evaluated(contender, mean, rows.classes, rows.locations, names)
        return _Whole(judged, sequences, decided(frames, names), rows.index)


def decided(frames: Evaluation, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the target that each image was called for, `(n,)` int64; -1 where none was."""
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.asarray([numbers[name] if name else -1 for name in frames.decisions], np.int64)


def _evaluated(
    contender: Contender,
    probabilities: NDArray[np.float32],
    classes: NDArray[np.int64],
    locations: Sequence[str],
    class_names: Sequence[str],
) -> Evaluation:
    return evaluate(
        probabilities, classes, locations, class_names=class_names, on=contender.thresholds
    )


def _target(
    contender: Contender,
    judged: JudgedImages,
    called: NDArray[np.bool_],
    number: int,
    whole: _Whole,
) -> TargetFigures:
    probabilities = contender.probabilities[:, number]
    is_target = judged.classes == number

    def interval(predicted: NDArray[np.generic], metric: metrics.Metric) -> Interval:
        return bootstrap_interval(predicted, is_target, judged.groups, metric=metric)

    every_call, every_true = whole.decisions == number, whole.judged.classes == number
    any_called = highest_of_sequences(every_call.astype(np.float32), whole.index) > 0
    any_true = highest_of_sequences(every_true.astype(np.float32), whole.index) > 0
    before = contender.uncalibrated
    return TargetFigures(
        precision=interval(called, metrics.precision),
        recall=interval(called, metrics.recall),
        f1=interval(called, metrics.f1),
        average_precision=interval(probabilities, metrics.average_precision),
        recall_at={p: interval(probabilities, metrics.recall_at(p)) for p in PRECISIONS},
        precision_at={r: interval(probabilities, metrics.precision_at(r)) for r in RECALLS},
        reliability=reliability(probabilities, is_target),
        ece_before=(
            float("nan") if before is None else reliability(before[:, number], is_target).error
        ),
        brier=brier_score(probabilities, is_target),
        alerts=alert_figures(whole.judged, every_call, every_true),
        sequence_recall=metrics.plain(metrics.recall, any_called, any_true),
        sequence_precision=metrics.plain(metrics.precision, any_called, any_true),
    )


def _classes(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], judged: JudgedImages
) -> list[ClassScores]:
    scores = []
    for number, name in enumerate(judged.class_names):
        said, true = labels == number, judged.classes == number
        scores.append(
            ClassScores(
                name=name,
                precision=metrics.plain(metrics.precision, said, true),
                recall=metrics.plain(metrics.recall, said, true),
                f1=metrics.plain(metrics.f1, said, true),
                average_precision=metrics.plain(
                    metrics.average_precision, probabilities[:, number], true
                ),
                support=int(true.sum()),
            )
        )
    return scores


def _blanks_removed(
    probabilities: NDArray[np.float32], judged: JudgedImages
) -> dict[float, Interval]:
    blank = judged.blank
    if blank is None:
        return {}
    is_animal = judged.classes != blank
    if is_animal.all() or not is_animal.any():
        return {}
    kept = 1 - probabilities[:, blank]
    return {
        least: bootstrap_interval(kept, is_animal, judged.groups, metric=metrics.removed_at(least))
        for least in ANIMAL_RECALLS
    }


def _ece_before(uncalibrated: NDArray[np.float32] | None, truth: NDArray[np.int64]) -> float:
    if uncalibrated is None:
        return float("nan")
    right = uncalibrated.argmax(axis=1) == truth
    return reliability(uncalibrated.max(axis=1), right).error
