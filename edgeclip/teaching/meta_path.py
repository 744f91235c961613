"""The column of a new class from its words and images, by weights trained on other species.

l_new = s f^' w(t, examples) + c         Meta-Adapter, arXiv 2311.03774
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeclip.adapters.meta import MetaWeights, predicted_vector
from edgeclip.adapters.meta_files import meta_sha256
from edgeclip.contract.pack import Base
from edgeclip.kinds import META
from edgeclip.meta_weights import meta_weights_for
from edgeclip.teaching.column import Direction, Doubles, Seen


@dataclass(frozen=True)
class Meta:
    """Weights trained on other species, and their hash."""

    weights: MetaWeights
    sha256: str


@dataclass(frozen=True)
class MetaPath:
    """The meta path.

    Attributes:
        scale: s, divided by the temperature.
        text: `(E,)` float64, unit, t.
        meta: Trained on other species.
    """

    scale: float
    text: Doubles
    meta: MetaWeights

    def __call__(self, taught: Seen) -> Direction:
        """Return the column that images of the class give."""
        found = predicted_vector(self.meta, self.text, taught.features)
        return Direction(np.zeros(taught.logits.shape[1]), self.scale * found)


def read_meta_weights(given: Path | None, encoder: Base) -> Meta:
    """Return the weights that are named, else those carried with the encoder.

    Raises:
        ConfigError: There are none.
        PackError: They are missing, damaged, or for another encoder.
    """
    weights = meta_weights_for(META, given, encoder)
    if weights is None:
        raise ValueError(f"the method {META} needs weights")
    return Meta(weights, meta_sha256(weights))
