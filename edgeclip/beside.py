"""Frames without labels beside the labelled rows of a fit: consistency, and pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.component import Frozen
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.running import run_graph
from edgeclip.calibration import fit_temperature
from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.features import Features
from edgeclip.losses import class_loss

if TYPE_CHECKING:
    from edgeclip.config import Recipe
    from edgeclip.training import TrainingRows

PSEUDO_WEIGHT = 0.5
"""Of the loss of pseudo-labels: less than that of a person's, which can be trusted more."""

_OTHER_DRAWS = 7919  # so that these batches are not those of the labelled rows
NONE = -1


@dataclass(frozen=True)
class Beside:
    """What the frozen encoder says of frames that nobody labelled.

    Attributes:
        features: Of n frames, each whole and as it is.
    """

    features: Features


class BesideTerm:
    """What the steps of one fit take of the frames.

    Args:
        model: At its start.
        rows: Of the training part alone, with frames beside them.
        recipe: Steps, seed, and how sure a pseudo-label is.
        size: Of a batch.

    Raises:
        ValueError: There are no frames.

    Attributes:
        features: Of the frames.
        batches: `(steps, size)` int64, each frame as likely as another.
    """

    def __init__(self, model: AdapterModel, rows: TrainingRows, recipe: Recipe, size: int) -> None:
        if rows.beside is None:
            raise ValueError("there are no frames beside the rows")
        self.features = rows.beside.features
        rng = np.random.default_rng([recipe.seed, _OTHER_DRAWS])
        self.batches = rng.integers(len(self.features.f), size=(recipe.steps, size))
        sure = pseudo_classes(model, rows, recipe.pseudo_labels)
        self._classes, self._columns = torch.from_numpy(sure), model.start.columns

    def pseudo_loss(self, logits: Tensor, batch: NDArray[np.int64]) -> Tensor:
        """Return the weighted loss of those frames of a batch that have a pseudo-label.

        Args:
            logits: `(B, K)` of the batch.
            batch: `(B,)` indices of frames.
        """
        classes = self._classes[torch.from_numpy(batch)]
        known = classes != NONE
        if not bool(known.any()):
            return logits.new_zeros(())
        share = known.float().mean()  # few among many must not weigh as all of them would
        return PSEUDO_WEIGHT * share * class_loss(logits[known], classes[known], self._columns)


def pseudo_classes(
    model: AdapterModel, rows: TrainingRows, least: float | None
) -> NDArray[np.int64]:
    """Return the class of each frame that the start of a fit is sure of, else -1, `(n,)`.

    The start is zero-shot, or the earlier pack that a training stands on. Its temperature is fitted
    to the labelled rows, so that a round knows nothing of the places that it holds out.

    Args:
        model: At its start.
        rows: Of the training part, or a round's, with frames beside them.
        least: Calibrated probability from which it is sure; None: never.

    Raises:
        ValueError: There are no frames.
    """
    if rows.beside is None:
        raise ValueError("there are no frames beside the rows")
    frames = rows.beside.features
    if least is None:
        return np.full(len(frames.f), NONE, np.int64)
    start = _start_of(model)
    tensors, columns = start.pack_tensors(), model.start.columns.tolist()
    labelled, others = (
        run_graph(start.graph, _inputs(features), tensors).logits.numpy()
        for features in (rows.features, frames)
    )
    temperature = fit_temperature(labelled, rows.classes, columns)
    found = class_probabilities(softmax(others, temperature), columns, model.start.classes)
    return np.where(found.max(axis=1) >= least, found.argmax(axis=1), NONE).astype(np.int64)


def _start_of(model: AdapterModel) -> AdapterModel:
    """Return what a model is before anything is learned; without an earlier pack the prompts."""
    before = [part for part in model.parts if isinstance(part, Frozen)]
    return AdapterModel(model.start, before, model.graph if before else None)


def _inputs(features: Features) -> Inputs:
    return Inputs(torch.from_numpy(features.z), torch.from_numpy(features.f), features.tokens)
