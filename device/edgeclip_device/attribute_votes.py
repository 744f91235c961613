"""What the frames of a visit say to a pack's attributes: read from the pack, averaged, told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.attribute_answers import AttributeBank, Attributes

if TYPE_CHECKING:
    pass

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Vote:
    """One frame's.

    Attributes:
        task: Of the pack that answered.
        probabilities: `(O,)` float32, finite, of the pack's options.
    """

    task: str
    probabilities: Array


@dataclass(frozen=True)
class AttributeVotes:
    """Sums of the votes of a visit, by the task of the pack that answered; it does not change."""

    sums: Mapping[str, tuple[Array, int]] = field(default_factory=dict)

    def plus(self, vote: Vote | None) -> AttributeVotes:
        """Return the votes with another one; without one, of a frame that may not vote, these."""
        if vote is None:
            return self
        before, frames = self.sums.get(vote.task, (np.zeros_like(vote.probabilities), 0))
        return AttributeVotes({**self.sums, vote.task: (before + vote.probabilities, frames + 1)})

    def told(self, task: str, bank: AttributeBank, class_name: str) -> Attributes | None:
        """Return what the mean of a pack's votes says; None where nothing is likely enough.

        Args:
            task: Of the pack of the visit's best frame.
            bank: What that pack asks.
            class_name: Of the visit.
        """
        if task not in self.sums:
            return None
        total, frames = self.sums[task]
        return bank.told(total / np.float32(frames), class_name, frames=frames)
