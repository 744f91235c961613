"""How each kind of component is made from the training rows: the family, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeclip.adapters import gda, tip
from edgeclip.adapters.blend import SHARES as BLEND_SHARES
from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.block_cross_modal import CrossModalBlocks, CrossModalSettings
from edgeclip.adapters.class_head import ClassHead
from edgeclip.adapters.component import Component
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.linear import LinearAdapter, ProjectionAdapter, anchor_of
from edgeclip.adapters.linear_probe import make_linear_probe
from edgeclip.adapters.meta import make_meta
from edgeclip.adapters.normed_adapter import NormedAdapter
from edgeclip.adapters.parallel_mlp import ParallelMlp
from edgeclip.adapters.pooling import ClassPooling, PoolingSettings
from edgeclip.adapters.proker import make_proker
from edgeclip.adapters.soft_prompts import PROMPT_ANCHOR, SoftPrompts, SoftPromptSettings
from edgeclip.adapters.stages import StageAdapters, StageGraph
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.task_residual import TaskResidual
from edgeclip.adapters.text_adapters import TextAdapter, TextBlockAdapters
from edgeclip.adapters.text_tokens import tokens_of_kind
from edgeclip.adapters.tower_tuning import LowRank, NormTuning, SingularValues
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.kinds import KINDS, Kind, Level
from edgeclip.making import Making, Setting
from edgeclip.training import anchor_strengths

MOST_ENTRIES = 1024  # that the cache slots of an engine hold

_USUAL = Kind()
SHARES = tuple(step / 10 for step in range(1, 11))


@dataclass(frozen=True)
class Maker:
    """How one kind of component is made.

    Attributes:
        make: A fresh component.
        fusion: What it costs on the device.
        shares: Of what was learned, to choose from.
        settings: To choose from.
        caches: Whether it is made with a cache entry for each region, `MOST_ENTRIES` at the most.
        kind: What its name says.
    """

    make: Callable[[Making, Setting], Component]
    fusion: FusionClass
    shares: tuple[float, ...] = SHARES
    settings: tuple[Setting, ...] = ({},)
    caches: bool = False
    kind: Kind = _USUAL

    @property
    def trained(self) -> bool:
        """Whether gradient steps follow; else it is complete when made."""
        return self.kind.trained

    @property
    def level(self) -> Level:
        """What it looks at."""
        return self.kind.level


def _visual(making: Making, _setting: Setting) -> Component:
    reduction = min(making.recipe.reduction, making.embed_dim)
    return VisualAdapter(
        making.embed_dim,
        reduction=reduction,
        ratio=making.recipe.ratio,
        learned=making.recipe.learn_ratio,
    )


def _mlp_ln(making: Making, _setting: Setting) -> Component:
    reduction = min(making.recipe.reduction, making.embed_dim)
    return NormedAdapter(making.embed_dim, reduction=reduction, ratio=making.recipe.ratio)


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


def _weights(making: Making) -> WeightGraph:
    graph = making.model.graph
    if not isinstance(graph, WeightGraph):
        raise ValueError("methods on the tower's weights need its weight graph: give Base one")
    return graph


def _parallel_mlp(making: Making, _setting: Setting) -> Component:
    recipe = making.recipe
    settings = BlockSettings(last=recipe.blocks, hidden=recipe.block_hidden)
    return ParallelMlp(_weights(making).weights, settings)


def _ln(making: Making, _setting: Setting) -> Component:
    return NormTuning(_weights(making).weights)


def _lora(making: Making, _setting: Setting) -> Component:
    return LowRank(_weights(making).weights)


def _svd(making: Making, _setting: Setting) -> Component:
    graph = _weights(making)
    return SingularValues(graph.weights, graph.vectors)


def _stages(making: Making, _setting: Setting) -> Component:
    graph = making.model.graph
    if not isinstance(graph, StageGraph):
        raise ValueError("stage adapters need the tower's stage graph: give Base one")
    return StageAdapters(graph.tower)


def _pooling(making: Making, _setting: Setting) -> Component:
    return ClassPooling(making.start, PoolingSettings(attention=making.recipe.pooling_attention))


def _tip_f(making: Making, _setting: Setting) -> Component:
    return tip.make_tip_f(making.support(MOST_ENTRIES))


def _gda(making: Making, _setting: Setting) -> Component:
    return gda.make_gda(making.support())


def _meta(making: Making, _setting: Setting) -> Component:
    if making.meta is None:
        raise ValueError("a meta-adapter needs its weights: give Base them")
    return make_meta(making.support(), making.meta)


def _tip(making: Making, setting: Setting) -> Component:
    return tip.make_tip(making.support(MOST_ENTRIES), alpha=1.0, beta=setting["beta"])


def _proker(making: Making, _setting: Setting) -> Component:
    return make_proker(making.support(MOST_ENTRIES))


def _blend(making: Making, _setting: Setting) -> Component:
    return make_blend(making.support(MOST_ENTRIES))


_MADE: dict[str, Maker] = {
    "head": Maker(_head, "F0"),
    "taskres": Maker(_taskres, "F0"),
    "lpplus": Maker(_lpplus, "F0"),
    "linear": Maker(_linear, "F0"),
    "proj": Maker(_proj, "F0"),
    "gda": Maker(_gda, "F0", shares=gda.SHARES[1:]),
    "meta": Maker(_meta, "F0"),
    "prompt": Maker(_prompt, "F0"),
    "text": Maker(_text, "F0"),
    "text_block": Maker(_text_block, "F0"),
    "tip": Maker(
        _tip, "F1", shares=tip.ALPHAS[1:],
        settings=tuple({"beta": beta} for beta in tip.BETAS), caches=True,
    ),
    "tip_f": Maker(_tip_f, "F1"),
    "proker": Maker(_proker, "F1", caches=True),
    "blend": Maker(_blend, "F1", shares=BLEND_SHARES[1:], caches=True),
    "visual": Maker(_visual, "F1"),
    "xmodal": Maker(_xmodal, "F1"),
    "block": Maker(_block, "F2"),
    "block_xmodal": Maker(_block_xmodal, "F2"),
    "pooling": Maker(_pooling, "F2"),
    "mlp_ln": Maker(_mlp_ln, "F1"),
    "parallel_mlp": Maker(_parallel_mlp, "F0"),
    "ln": Maker(_ln, "F0"),
    "lora": Maker(_lora, "F0"),
    "svd": Maker(_svd, "F0"),
    "stages": Maker(_stages, "F2"),
}  # fmt: skip
MAKERS: dict[str, Maker] = {name: replace(_MADE[name], kind=kind) for name, kind in KINDS.items()}
"""By name, in the order of `KINDS`."""
