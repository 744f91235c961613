"""The head that goes into a pack, and its thresholds, from images whose places it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.stored import Stored
from edgeclip.candidates import Score
from edgeclip.contract.pack import Thresholds
from edgeclip.thresholds import choose_thresholds

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """One head, calibrated on images that were held out.

    Attributes:
        share: Of what was learned.
        parts: Its components, as stored; none is zero-shot.
        tensors: To store, temperature included.
        score: On the images that were held out.
        setting: Of a training-free component.
    """

    share: float
    parts: Sequence[Stored]
    tensors: Tensors
    score: Score
    setting: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The head that goes into the pack, beside zero-shot."""

    chosen: Candidate
    zero_shot: Candidate

    @property
    def kept_zero_shot(self) -> bool:
        """Whether the pack holds the prompts alone."""
        return not self.chosen.parts


def candidate_of(
    model: AdapterModel, share: float, score: Score, setting: Mapping[str, float]
) -> Candidate:
    """Return a model at a share of what it learned, with the temperature of its score."""
    temperature = np.asarray([score.temperature], np.float32)
    tensors = {**model.pack_tensors(share), "temperature": temperature}
    return Candidate(share, model.stored(share), tensors, score, setting)


def thresholds_of(
    score: Score,
    class_names: Sequence[str],
    targets: Sequence[int],
    *,
    min_precision: float | None = None,
    min_recall: float | None = None,
) -> dict[str, Thresholds]:
    """Return the thresholds of each target, chosen on the images that were held out.

    Raises:
        GateError: No threshold reaches `min_precision` or `min_recall`.
    """
    return {
        class_names[target]: choose_thresholds(
            score.probabilities[:, target],
            score.classes == target,
            min_precision=min_precision,
            min_recall=min_recall,
        )
        for target in targets
    }
