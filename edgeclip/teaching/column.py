"""The column of a new class, predicted from its name and a few images: no gradient step.

    closed form   l_new = sum_k m_k l_k + g s f^' (p - o) + c
    meta path     see `meta_path`

l_k are the logits of the pack's own columns, m_k how likely the pack finds each for the taught
images: the new class begins as what the pack says of them, and is moved by the direction from
frames without it (o, their mean) to the taught ones (p, the unit mean). s is the logit scale, and c
places the threshold, see `placing`. All logits here are divided by the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

GAIN = 1.0
"""g, chosen on rendered species other than those that are reported (docs/teach.md)."""


@dataclass(frozen=True)
class Seen:
    """What the pack says of the m inputs of n images.

    Attributes:
        features: `(m, E)` float64, unit: f^', after its adapters.
        logits: `(m, K)` float64, divided by the temperature.
        owners: `(m,)` int64, the image of each input.
    """

    features: Doubles
    logits: Doubles
    owners: NDArray[np.int64]

    @property
    def images(self) -> list[int]:
        """The images, ascending."""
        return sorted(set(self.owners.tolist()))

    def only(self, images: list[int]) -> Seen:
        """Return what is said of some of the images."""
        rows = np.isin(self.owners, images)
        return Seen(self.features[rows], self.logits[rows], self.owners[rows])

    def means(self) -> Doubles:
        """Return `(n, E)` unit means of each image's inputs."""
        return np.stack([_unit(self.features[self.owners == i].mean(axis=0)) for i in self.images])

    def highest(self, scores: Doubles) -> Doubles:
        """Return `(n,)` the highest of `(m,)` scores of each image, as a device takes it."""
        return np.asarray([scores[self.owners == image].max() for image in self.images])


@dataclass(frozen=True)
class Direction:
    """A column without c.

    Attributes:
        mix: `(K,)` float64, shares of the pack's columns.
        weights: `(E,)` float64, times f^' it is added to these.
    """

    mix: Doubles
    weights: Doubles

    def scores(self, seen: Seen) -> Doubles:
        """Return `(m,)` by how much its logit is above all others together: log p / (1 - p)."""
        own = seen.logits @ self.mix + seen.features @ self.weights
        most = seen.logits.max(axis=1)
        rest = most + np.log(np.exp(seen.logits - most[:, None]).sum(axis=1))
        return np.asarray(own - rest)


class Predictor(Protocol):
    """Predicts a column from images."""

    def __call__(self, taught: Seen) -> Direction:
        """Return the column that images of the class give."""


@dataclass(frozen=True)
class ClosedForm:
    """The closed form.

    Attributes:
        scale: s, divided by the temperature.
        unlike: `(E,)` float64, o; zeros where nothing is known of frames without the class.
    """

    scale: float
    unlike: Doubles

    def __call__(self, taught: Seen) -> Direction:
        """Return the column that images of the class give."""
        powers = np.exp(taught.logits - taught.logits.max(axis=1, keepdims=True))
        mix = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
        like = _unit(taught.means().mean(axis=0))
        return Direction(mix, GAIN * self.scale * (like - self.unlike))


def _unit(vector: Doubles) -> Doubles:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))
