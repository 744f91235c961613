"""What validation decides: ratio, temperature, thresholds; and whether the adapter may stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import AdapterModel, run_head
from edgeclip.calibration import fit_temperature, log_loss
from edgeclip.contract.pack import Thresholds
from edgeclip.evaluation.result import mean_average_precision
from edgeclip.parts import PartData
from edgeclip.thresholds import choose_thresholds

RATIOS = tuple(step / 10 for step in range(11))
_AS_GOOD = 0.01  # average precision on a small validation part is not finer than this

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """One head, calibrated on validation.

    Attributes:
        ratio: On the way from zero-shot (0) to what was learned (1).
        tensors: To store, temperature included.
        average_precision: Mean over the targets, on validation.
        log_loss: On validation, each class weighted alike.
    """

    ratio: float
    tensors: Tensors
    average_precision: float
    log_loss: float

    @property
    def temperature(self) -> float:
        """The calibration's temperature."""
        return float(self.tensors["temperature"][0])


@dataclass(frozen=True)
class Choice:
    """The head that goes into the pack, beside zero-shot."""

    chosen: Candidate
    zero_shot: Candidate

    @property
    def kept_zero_shot(self) -> bool:
        """Whether training was not better than zero-shot on validation."""
        return self.chosen.ratio == 0


def choose_ratio(
    model: AdapterModel,
    validation: PartData,
    column_class: Sequence[int],
    targets: Sequence[int],
) -> Choice:
    """Return the best point between zero-shot and what was learned, by validation alone.

    Among the points within 0.01 of the best average precision the lowest log loss wins. Zero-shot
    is one of the points: it stays where training found no target better, do no harm.

    Args:
        model: Fitted on the training part.
        validation: Never seen by the fit.
        column_class: The class of each column.
        targets: Indices of the target classes.
    """
    candidates = [
        _candidate(model.pack_tensors(ratio), ratio, validation, column_class, targets)
        for ratio in RATIOS
    ]
    best = max(candidate.average_precision for candidate in candidates)
    close = [c for c in candidates if c.average_precision >= best - _AS_GOOD]
    return Choice(min(close, key=lambda candidate: candidate.log_loss), candidates[0])


def thresholds_of(
    candidate: Candidate,
    validation: PartData,
    column_class: Sequence[int],
    targets: Sequence[int],
    *,
    min_precision: float | None = None,
) -> dict[str, Thresholds]:
    """Return the thresholds of each target, chosen on validation.

    Raises:
        GateError: No threshold reaches `min_precision`.
    """
    indices, probabilities = validation.score(candidate.tensors, column_class, targets)
    classes = validation.classes_of(indices)
    return {
        validation.class_names[target]: choose_thresholds(
            probabilities[:, target], classes == target, min_precision=min_precision
        )
        for target in targets
    }


def _candidate(
    tensors: Mapping[str, NDArray[np.float32]],
    ratio: float,
    validation: PartData,
    column_class: Sequence[int],
    targets: Sequence[int],
) -> Candidate:
    features, classes = validation.features, validation.classes
    logits = run_head(features.z, features.f, tensors).logits.numpy()
    temperature = fit_temperature(logits, classes, column_class)
    own = {**tensors, "temperature": np.asarray([temperature], np.float32)}
    indices, probabilities = validation.score(own, column_class, targets)
    return Candidate(
        ratio=ratio,
        tensors=own,
        average_precision=mean_average_precision(
            probabilities, validation.classes_of(indices), targets
        ),
        log_loss=log_loss(logits, classes, column_class, temperature),
    )
