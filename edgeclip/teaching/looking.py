"""What a ground says of images: its features, its logits, and the new column in its own terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.teaching.column import Direction, Seen
from edgeclip.teaching.eye import Eye, Looked
from edgeclip.teaching.ground import Ground
from edgeclip.teaching.sights import Sights
from edgeclip.teaching.widening import Column

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Looking:
    """Looks at images with a ground.

    Attributes:
        eye: The frozen encoder.
        ground: A pack, or words.
    """

    eye: Eye
    ground: Ground

    @property
    def scale(self) -> float:
        """The logit scale divided by the temperature."""
        return float(self.ground.start["logit_scale"][0]) / self.ground.temperature

    def at(self, sights: Sights) -> tuple[Seen, Floats]:
        """Return what it says of images, and the `(m, E)` base embeddings of their inputs."""
        if not len(sights.pixels):
            width, columns = self.ground.start["class_weights"].shape
            empty = np.zeros((0, width), np.float32)
            return _seen(empty, np.zeros((0, columns)), sights.owners), empty
        found = self.eye.look(sights.pixels, self.ground.tensors)
        return self._said(found, sights.owners), found.base

    def carried(self) -> Seen:
        """Return what it says of the frames that the pack carries: of other classes, all of them.

        They stand in its golden outputs, so that nothing is computed.
        """
        golden, first = self.ground.golden, len(self.ground.images) - len(self.ground.carried)
        columns = self.ground.start["class_weights"].shape[1]
        if golden is None:
            return _seen(np.zeros((0, self.eye.base.embed_dim)), np.zeros((0, columns)), None)
        logits = golden.logits[first:] / self.ground.temperature
        return _seen(golden.image_features[first:], logits, None)

    def column(self, text: Floats | None, direction: Direction, shift: float) -> Column:
        """Return a column in the pack's own terms.

        Args:
            text: `(E,)` float32, unit; None where its words were not read.
            direction: In calibrated logits.
            shift: c, in calibrated logits.
        """
        start, heat = self.ground.tensors, self.ground.temperature
        bias = start.get("class_bias", np.zeros(len(direction.mix), np.float32))
        weights = start["class_weights"] @ direction.mix + direction.weights / self.scale
        return Column(
            text=np.zeros(len(weights), np.float32) if text is None else text,
            weights=np.asarray(weights, np.float32),
            bias=float(bias @ direction.mix) + heat * shift,
            mix=np.asarray(direction.mix, np.float32),
        )

    def _said(self, found: Looked, owners: NDArray[np.int64]) -> Seen:
        logits = found.logits / self.ground.temperature
        return _seen(found.features, logits, owners)


def _seen(
    features: NDArray[np.float32] | NDArray[np.float64],
    logits: NDArray[np.float32] | NDArray[np.float64],
    owners: NDArray[np.int64] | None,
) -> Seen:
    rows = np.arange(len(features)) if owners is None else owners
    return Seen(features.astype(np.float64), logits.astype(np.float64), rows)
