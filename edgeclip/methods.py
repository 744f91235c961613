"""Names on the command line -> the components that a model is made of, and their fit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.component import Component, FusionClass
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.model import AdapterModel, Graph
from edgeclip.adapters.soft_prompts import PROMPT_ANCHOR, SoftPrompts, SoftPromptSettings
from edgeclip.adapters.text_adapters import TextAdapter, TextBlockAdapters
from edgeclip.adapters.text_tokens import tokens_of_kind
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.errors import ConfigError
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows, anchor_strengths, fit

SHARES = tuple(step / 10 for step in range(1, 11))
Setting = Mapping[str, float]


@dataclass(frozen=True)
class Making:
    """What a component may be made from.

    Attributes:
        rows: Of the training part, or of a fold of it.
        model: The model so far: zero-shot, or with the components before this one.
        recipe: Sizes, weights, seed.
        text: The prompts, for components of the text side.
    """

    rows: TrainingRows
    model: AdapterModel
    recipe: Recipe
    text: TextSide | None = None

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


MAKERS: dict[str, Maker] = {
    "visual": Maker(_visual, "F1"),
    "xmodal": Maker(_xmodal, "F1"),
    "prompt": Maker(_prompt, "F0"),
    "text": Maker(_text, "F0"),
    "text_block": Maker(_text_block, "F0"),
    "head": Maker(_head, "F0"),
}
ZERO_SHOT, AUTO = "zero-shot", "auto"
AUTO_FIRST = ("head", "gda", "proker", "tip", "blend")
"""Rung S1 of `--method auto`: heads on cached features."""
AUTO_THEN = ("linear", "visual+head", "visual+xmodal+head")
"""Rung S2, in the order of trial."""


@dataclass(frozen=True)
class Method:
    """One or several components, fitted together; training-free ones on top of the trained.

    Attributes:
        name: As given: names joined by `+`, or `zero-shot`.
        kinds: Of the components, trained ones first.
    """

    name: str
    kinds: tuple[str, ...]

    @property
    def fusion(self) -> FusionClass:
        """The highest class of the components."""
        classes: list[FusionClass] = [MAKERS[kind].fusion for kind in self.kinds]
        return max(classes, default="F0")

    @property
    def level(self) -> Literal["features", "tokens"]:
        """`tokens` where any component looks into the encoder."""
        inside = any(MAKERS[kind].level == "tokens" for kind in self.kinds)
        return "tokens" if inside else "features"

    @property
    def shares(self) -> tuple[float, ...]:
        """Those of its one component; of several, the usual ones."""
        if not self.kinds:
            return (1.0,)
        return MAKERS[self.kinds[0]].shares if len(self.kinds) == 1 else SHARES

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Those of the training-free component, of which there is one at the most."""
        return next((MAKERS[k].settings for k in self.kinds if not MAKERS[k].trained), ({},))


def parse_method(name: str) -> Method:
    """Return what `visual+head` names.

    Raises:
        ConfigError: A part is not known, stands twice, or two parts are training-free.
    """
    if name == ZERO_SHOT:
        return Method(name, ())
    kinds = [part.strip() for part in name.split("+")]
    for kind in kinds:
        if kind not in MAKERS:
            near = difflib.get_close_matches(kind, [*MAKERS, ZERO_SHOT, AUTO], n=1)
            hint = f"did you mean {near[0]}?" if near else f"methods are {', '.join(MAKERS)}"
            raise ConfigError(f"--method {name}: {kind!r} is not known: {hint}")
    free = [kind for kind in kinds if not MAKERS[kind].trained]
    if len(set(kinds)) < len(kinds) or len(free) > 1:
        raise ConfigError(f"--method {name}: name each part once, and one training-free at most")
    return Method(name, tuple(sorted(kinds, key=lambda kind: not MAKERS[kind].trained)))


@dataclass(frozen=True)
class Base:
    """What every method starts from.

    Attributes:
        start: The class matrix of the prompts.
        graph: From features, or tokens, to outputs.
        before: Components of an earlier training; they stay as they are.
        text: The prompts, for components of the text side.
    """

    start: ZeroShot
    graph: Graph
    before: tuple[Component, ...] = ()
    text: TextSide | None = None


def fresh_model(method: Method, base: Base, rows: TrainingRows, recipe: Recipe) -> AdapterModel:
    """Return the trained components of a method at their start; training-free ones come later."""
    torch.manual_seed(recipe.seed)
    model = AdapterModel(base.start, base.before, base.graph)
    making = Making(rows, model, recipe, base.text)
    trained = [MAKERS[kind] for kind in method.kinds if MAKERS[kind].trained]
    own = [maker.make(making, {}) for maker in trained]
    return AdapterModel(base.start, (*base.before, *own), base.graph)


def fitted(
    method: Method,
    base: Base,
    rows: TrainingRows,
    recipe: Recipe,
    *,
    setting: Setting | None = None,
    advance: Callable[[float], None] = lambda _: None,
) -> AdapterModel:
    """Return a method's model, fitted to rows.

    Args:
        method: What to fit.
        base: What it starts from.
        rows: Of the training part alone.
        recipe: Steps, rates, sizes, seed.
        setting: Of the training-free component.
        advance: Called after each step with its loss.
    """
    model = fit(fresh_model(method, base, rows, recipe), rows, recipe, advance=advance)
    for kind in method.kinds:
        if not MAKERS[kind].trained:
            making = Making(rows, model, recipe, base.text)
            own = MAKERS[kind].make(making, setting or {})
            model = AdapterModel(base.start, (*model.parts, own), base.graph)
    return model.eval()
