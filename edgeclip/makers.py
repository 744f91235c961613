"""How each kind of component is made from the training rows: the family, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from edgeclip.adapters import gda, tip
from edgeclip.adapters.blend import SHARES as BLEND_SHARES
from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.block_cross_modal import CrossModalBlocks, CrossModalSettings
from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.component import Component, FusionClass
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.linear import LinearAdapter, ProjectionAdapter, anchor_of
from edgeclip.adapters.linear_probe import make_linear_probe
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.pooling import ClassPooling, PoolingSettings
from edgeclip.adapters.proker import make_proker
from edgeclip.adapters.running import run_graph
from edgeclip.adapters.soft_prompts import PROMPT_ANCHOR, SoftPrompts, SoftPromptSettings
from edgeclip.adapters.support import Support, pooled_views
from edgeclip.adapters.task_residual import TaskResidual
from edgeclip.adapters.text_adapters import TextAdapter, TextBlockAdapters
from edgeclip.adapters.text_tokens import tokens_of_kind
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.sampling import balanced_weights
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows, anchor_strengths, inputs_of

MOST_ENTRIES = 1024  # that the cache slots of an engine hold

SHARES = tuple(step / 10 for step in range(1, 11))
Setting = Mapping[str, float]


@dataclass(frozen=True)
class TowerSizes:
    """Of the image tower.

    Attributes:
        width: D.
        blocks: L.
        tokens: N.
        projection: P, `(D, E)` float32.
    """

    width: int
    blocks: int
    tokens: int
    projection: torch.Tensor


@dataclass(frozen=True)
class Making:
    """What a component may be made from.

    Attributes:
        rows: Of the training part, or of a fold of it.
        model: The model so far: zero-shot, or with the components before this one.
        recipe: Sizes, weights, seed.
        text: The prompts, for components of the text side.
        tower: Width and blocks of the image tower, for components inside it.
    """

    rows: TrainingRows
    model: AdapterModel
    recipe: Recipe
    text: TextSide | None = None
    tower: TowerSizes | None = None

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
        places = [self.rows.locations[int(row)] for row in first]
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


@dataclass(frozen=True)
class Maker:
    """How one kind of component is made.

    Attributes:
        make: A fresh component.
        fusion: What it costs on the device.
        trained: Whether gradient steps follow; else it is complete when made.
        level: What it looks at: cached image features, or tokens inside the encoder.
        shares: Of what was learned, to choose from.
        settings: To choose from.
    """

    make: Callable[[Making, Setting], Component]
    fusion: FusionClass
    trained: bool = True
    level: Literal["features", "tokens"] = "features"
    shares: tuple[float, ...] = SHARES
    settings: tuple[Setting, ...] = ({},)


def _visual(making: Making, _setting: Setting) -> Component:
    reduction = min(making.recipe.reduction, making.embed_dim)
    return VisualAdapter(making.embed_dim, reduction=reduction, ratio=making.recipe.ratio)


def _head(making: Making, _setting: Setting) -> Component:
    start = making.start
    strengths = making.recipe.anchor * anchor_strengths(making.rows, start)
    return ClassHead(start.head, start.columns, strengths)


def _xmodal(making: Making, _setting: Setting) -> Component:
    recipe = making.recipe
    tokens = tokens_of_kind(making.prompts.tokens, recipe.xmodal, recipe.seed)
    return CrossModalHead(tokens, width=recipe.attention, ratio=recipe.ratio)


def _prompt(making: Making, _setting: Setting) -> Component:
    side = making.prompts
    settings = SoftPromptSettings(anchor=PROMPT_ANCHOR * making.recipe.anchor)
    return SoftPrompts(side.tower, side.names, settings)


def _text(making: Making, _setting: Setting) -> Component:
    reduction = min(making.recipe.reduction, making.embed_dim)
    return TextAdapter(making.embed_dim, reduction=reduction, ratio=making.recipe.ratio)


def _text_block(making: Making, _setting: Setting) -> Component:
    side = making.prompts
    return TextBlockAdapters(side.tower, side.columns)


def _linear(making: Making, _setting: Setting) -> Component:
    anchor = anchor_of(making.rows.images_a_class)
    return LinearAdapter(making.blocks.projection, anchor=anchor)


def _proj(making: Making, _setting: Setting) -> Component:
    anchor = anchor_of(making.rows.images_a_class)
    return ProjectionAdapter(making.blocks.projection, anchor=anchor)


def _taskres(making: Making, _setting: Setting) -> Component:
    return TaskResidual(making.start.head)


def _lpplus(making: Making, _setting: Setting) -> Component:
    return make_linear_probe(making.support())


def _block(making: Making, _setting: Setting) -> Component:
    recipe, tower = making.recipe, making.blocks
    settings = BlockSettings(last=recipe.blocks, hidden=recipe.block_hidden)
    return BlockAdapters(tower.width, tower.blocks, settings)


def _block_xmodal(making: Making, _setting: Setting) -> Component:
    recipe, tower = making.recipe, making.blocks
    tokens = tokens_of_kind(making.prompts.tokens, recipe.xmodal, recipe.seed)
    settings = CrossModalSettings(attention=recipe.attention)
    return CrossModalBlocks(tower.width, tower.blocks, tokens, settings)


def _pooling(making: Making, _setting: Setting) -> Component:
    return ClassPooling(making.start, PoolingSettings(attention=making.recipe.pooling_attention))


def _tip_f(making: Making, _setting: Setting) -> Component:
    return tip.make_tip_f(making.support(MOST_ENTRIES))


def _gda(making: Making, _setting: Setting) -> Component:
    return gda.make_gda(making.support())


def _tip(making: Making, setting: Setting) -> Component:
    return tip.make_tip(making.support(MOST_ENTRIES), alpha=1.0, beta=setting["beta"])


def _proker(making: Making, _setting: Setting) -> Component:
    return make_proker(making.support(MOST_ENTRIES))


def _blend(making: Making, _setting: Setting) -> Component:
    return make_blend(making.support(MOST_ENTRIES))


def _drawn(rows: TrainingRows, most: int, seed: int) -> torch.Tensor:
    weights = balanced_weights(rows.classes, rows.locations)
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.sort(rng.choice(len(weights), most, replace=False, p=weights)))


MAKERS: dict[str, Maker] = {
    "head": Maker(_head, "F0"),
    "taskres": Maker(_taskres, "F0"),
    "lpplus": Maker(_lpplus, "F0", trained=False),
    "linear": Maker(_linear, "F0"),
    "proj": Maker(_proj, "F0"),
    "gda": Maker(_gda, "F0", trained=False, shares=gda.SHARES[1:]),
    "prompt": Maker(_prompt, "F0"),
    "text": Maker(_text, "F0"),
    "text_block": Maker(_text_block, "F0"),
    "tip": Maker(
        _tip, "F1", trained=False, shares=tip.ALPHAS[1:],
        settings=tuple({"beta": beta} for beta in tip.BETAS),
    ),
    "tip_f": Maker(_tip_f, "F1"),
    "proker": Maker(_proker, "F1", trained=False),
    "blend": Maker(_blend, "F1", trained=False, shares=BLEND_SHARES[1:]),
    "visual": Maker(_visual, "F1"),
    "xmodal": Maker(_xmodal, "F1"),
    "block": Maker(_block, "F2", level="tokens"),
    "block_xmodal": Maker(_block_xmodal, "F2", level="tokens"),
    "pooling": Maker(_pooling, "F2", level="tokens"),
}  # fmt: skip
"""By name; the cheapest on the device first."""
