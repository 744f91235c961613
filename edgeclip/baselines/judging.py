"""From a baseline's logits to a contender: calibrated on validation, as a pack is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.calibration import fit_temperature, log_loss
from edgeclip.contenders import Contender
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.evaluation.result import FINEST, average_precision_error, mean_average_precision
from edgeclip.regions import Region
from edgeclip.scoring import image_probabilities
from edgeclip.thresholds import choose_thresholds


@dataclass(frozen=True)
class Task:
    """What is told apart.

    Attributes:
        class_names: C names.
        targets: Those that are looked for, one or more.
        column_class: The class of each column of the logits; empty for a column a class.
    """

    class_names: Sequence[str]
    targets: Sequence[str]
    column_class: Sequence[int] = ()

    @property
    def columns(self) -> Sequence[int]:
        """The class of each of the K columns."""
        return self.column_class or range(len(self.class_names))

    @property
    def target_indices(self) -> list[int]:
        """The targets as classes by number."""
        return [list(self.class_names).index(name) for name in self.targets]


@dataclass(frozen=True)
class PartLogits:
    """What a model says of the regions of one part of a split.

    Attributes:
        regions: n regions.
        classes: `(n,)` int64, the class of each region's image.
        logits: `(n, K)` float32, at temperature 1.
    """

    regions: Sequence[Region]
    classes: NDArray[np.int64]
    logits: NDArray[np.float32]

    def image_probabilities(
        self, task: Task, temperature: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return class `(images,)` and probabilities `(images, C)`, by first appearance."""
        rows = class_probabilities(
            softmax(self.logits, temperature), task.columns, len(task.class_names)
        )
        order, probabilities = image_probabilities(self.regions, rows, task.target_indices)
        of_image = {
            region.image: index
            for region, index in zip(self.regions, self.classes.tolist(), strict=True)
        }
        return np.asarray([of_image[index] for index in order], np.int64), probabilities


@dataclass(frozen=True)
class Quality:
    """How well a model does on validation; what a choice between models goes by.

    Attributes:
        average_precision: Mean over the targets.
        log_loss: At its temperature, each class weighted alike.
        temperature: Fitted.
        error: About one standard error of the average precision.
    """

    average_precision: float
    log_loss: float
    temperature: float
    error: float = FINEST


@dataclass(frozen=True)
class Cost:
    """What a training took; see `Contender`."""

    trainable_params: int
    steps: int
    seconds: float
    note: str = ""


def quality(validation: PartLogits, task: Task) -> Quality:
    """Return average precision and calibrated log loss on validation."""
    logits, classes = validation.logits, validation.classes
    temperature = fit_temperature(logits, classes, task.columns)
    of_images, probabilities = validation.image_probabilities(task, temperature)
    area = mean_average_precision(probabilities, of_images, task.target_indices)
    positives = int(np.isin(of_images, task.target_indices).sum())
    return Quality(
        average_precision=area,
        error=average_precision_error(area, positives),
        log_loss=log_loss(logits, classes, task.columns, temperature),
        temperature=temperature,
    )


def best_of(tried: Sequence[Quality]) -> int:
    """Return the place of the lowest log loss among those within an error of the best precision.

    The rule by which a pack's method is chosen.
    """
    best = max(tried, key=lambda item: item.average_precision)
    least = best.average_precision - best.error
    close = [n for n, item in enumerate(tried) if item.average_precision >= least]
    return min(close, key=lambda n: tried[n].log_loss)


def judge(
    name: str, validation: PartLogits, test: PartLogits, *, task: Task, cost: Cost
) -> Contender:
    """Return a contender: temperature and thresholds from validation, probabilities of the test.

    Args:
        name: As tables show it.
        validation: Never trained on.
        test: Looked at for nothing but its probabilities.
        task: Classes and targets.
        cost: Of the training.
    """
    temperature = fit_temperature(validation.logits, validation.classes, task.columns)
    classes, known = validation.image_probabilities(task, temperature)
    thresholds = {
        target: choose_thresholds(known[:, index], classes == index).on
        for target, index in zip(task.targets, task.target_indices, strict=True)
    }
    return Contender(
        name=name,
        probabilities=test.image_probabilities(task, temperature)[1],
        thresholds=thresholds,
        trainable_params=cost.trainable_params,
        steps=cost.steps,
        seconds=cost.seconds,
        note=cost.note,
        uncalibrated=test.image_probabilities(task, 1.0)[1],
    )
