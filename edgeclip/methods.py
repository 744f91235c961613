"""Names on the command line -> the components that a model is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.training import TrainingRows, anchor_strengths


@dataclass(frozen=True)
class Making:
    """What a component may be made from.

    Attributes:
        rows: Of the training part, or of a fold of it.
        start: The class matrix of the prompts.
        recipe: Sizes, weights, seed.
    """

    rows: TrainingRows
    start: ZeroShot
    recipe: Recipe

    @property
    def embed_dim(self) -> int:
        """E."""
        return int(self.start.weights.shape[0])


def _visual(making: Making) -> Component:
    reduction = min(making.recipe.reduction, making.embed_dim)
    return VisualAdapter(making.embed_dim, reduction=reduction, ratio=making.recipe.ratio)


def _head(making: Making) -> Component:
    start = making.start
    strengths = making.recipe.anchor * anchor_strengths(making.rows, start)
    return ClassHead(Head(start.weights, start.bias), start.columns, strengths)


COMPONENTS: dict[str, Callable[[Making], Component]] = {
    "visual": _visual,
    "head": _head,
}


def make_components(names: tuple[str, ...], making: Making) -> list[Component]:
    """Return fresh components, seeded by the recipe.

    Args:
        names: Keys of `COMPONENTS`.
        making: What they are made from.
    """
    torch.manual_seed(making.recipe.seed)
    return [COMPONENTS[name](making) for name in names]
