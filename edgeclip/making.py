"""What a component may be made from: rows, the model so far, prompts, sizes of the tower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.running import run_graph
from edgeclip.adapters.support import Support, pooled_views
from edgeclip.config import Recipe
from edgeclip.sampling import balanced_weights
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows, inputs_of

Setting = Mapping[str, float]


@dataclass(frozen=True)
class TowerSizes:
    """Of the image tower.

    Attributes:
        width: D.
        blocks: L.
        tokens: N.
        projection: P, `(D, E)` float32.
        places: H W of each stage's output, by name; empty where there are no stages.
    """

    width: int
    blocks: int
    tokens: int
    projection: torch.Tensor
    places: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Making:
    """What a component may be made from.

    Attributes:
        rows: Of the training part, or of a fold of it.
        model: The model so far: zero-shot, or with the components before this one.
        recipe: Sizes, weights, seed.
        text: The prompts, for components of the text side.
        tower: Width and blocks of the image tower, for components inside it.
        meta: Weights of the meta-adapter.
    """

    rows: TrainingRows
    model: AdapterModel
    recipe: Recipe
    text: TextSide | None = None
    tower: TowerSizes | None = None
    meta: MetaWeights | None = None

    @property
    def blocks(self) -> TowerSizes:
        """Sizes of the image tower, which must be there.

        Raises:
            ValueError: They were not given.
        """
        if self.tower is None:
            raise ValueError("components inside the image tower need its sizes: give Base them")
        return self.tower

    def support(self, most: int | None = None) -> Support:
        """Return the images of training-free methods, as the model so far sees them.

        Args:
            most: How many regions at the most; more are drawn by class and location evenly.
        """
        inputs = inputs_of(self.rows.features, np.arange(len(self.rows.classes)))
        outputs = run_graph(self.model.graph, inputs, self.model.pack_tensors())
        features, first = pooled_views(outputs.image_features, torch.from_numpy(self.rows.origins))
        if most is not None and len(first) > most:
            kept = _drawn(self.rows.chosen(first.numpy()), most, self.recipe.seed)
            features, first = features[kept], first[kept]
        slots = self.model.own_slots()
        start = ZeroShot(
            slots["class_weights"].detach(), slots["class_bias"].detach(),
            self.start.logit_scale, self.start.columns, self.start.classes,
        )  # fmt: skip
        places = left_out_together(self.rows, first.numpy())
        return Support(features, torch.from_numpy(self.rows.classes)[first], start, places)

    @property
    def prompts(self) -> TextSide:
        """The prompts, which must be there.

        Raises:
            ValueError: They were not given.
        """
        if self.text is None:
            raise ValueError("components of the text side need the prompts: give Base its text")
        return self.text

    @property
    def start(self) -> ZeroShot:
        """The class matrix of the prompts."""
        return self.model.start

    @property
    def embed_dim(self) -> int:
        """E."""
        return int(self.start.weights.shape[0])


def left_out_together(rows: TrainingRows, chosen: NDArray[np.int64]) -> list[str]:
    """Return what closed forms leave out as a whole: places, or bursts where there is one place.

    Args:
        rows: Of the training part.
        chosen: `(n,)` rows, one a region.
    """
    places = [rows.locations[int(row)] for row in chosen]
    if len(set(places)) > 1 or rows.sequences is None:
        return places
    return [rows.sequences[int(row)] for row in chosen]


def _drawn(rows: TrainingRows, most: int, seed: int) -> torch.Tensor:
    weights = balanced_weights(rows.classes, rows.locations, rows.sequences)
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.sort(rng.choice(len(weights), most, replace=False, p=weights)))
