"""What is decided: each answer by the thresholds of the pack that gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeclip.contract.pack import PackManifest
from edgeclip.contract.postprocess import best_class


@dataclass(frozen=True)
class Deciders:
    """The packs that answer, as a device decides: of a set each by its own thresholds.

    Attributes:
        packs: By the name that records have; one at least, all with the same classes.
    """

    packs: Mapping[str, PackManifest]

    @property
    def targets(self) -> list[str]:
        """The targets of all packs, in their order, each once."""
        return list(dict.fromkeys(name for each in self.packs.values() for name in each.targets))

    def targets_of(self, pack: str | None) -> list[str]:
        """Return the targets of the pack that answered; of the prompts alone (None) all."""
        return self.targets if pack is None else self.packs[pack].targets

    def decided(self, probabilities: Sequence[float], pack: str | None) -> str | None:
        """Return the target whose threshold is reached, the likeliest of several, or None.

        Args:
            probabilities: One a class, as records have them.
            pack: Which one answered. The prompts alone (None) have no thresholds, and decide
                nothing.
        """
        if pack is None:
            return None
        own = self.packs[pack]
        on = {name: item.on for name, item in own.thresholds.items()}
        return best_class(np.asarray(probabilities, np.float32), own.class_names, on)
