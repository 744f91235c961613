"""Names on the command line -> the components that a model is made of, and their fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.model import AdapterModel, Graph
from edgeclip.adapters.stored import FusionClass
from edgeclip.base_watch import BaseWatch
from edgeclip.config import Recipe
from edgeclip.fit_state import Checkpoint
from edgeclip.kinds import Level, clash, kinds_of
from edgeclip.makers import MAKERS, MOST_ENTRIES, SHARES
from edgeclip.making import Making, Setting, TowerSizes
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows, fit


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
    def level(self) -> Level:
        """That of the components that look into the encoder, else `features`."""
        inside: list[Level] = [MAKERS[kind].level for kind in self.kinds]
        return next((level for level in inside if level != "features"), "features")

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
        ConfigError: A part is not known, stands twice, two parts are training-free, bind the same
            slots, or look into the encoder in ways that do not go together.
    """
    return Method(name, kinds_of(name))


def without_place(method: Method, before: Sequence[Component]) -> str | None:
    """Return which of a method's components those of an earlier training leave no place for."""
    kinds = [component.kind for component in before]
    return next((kind for kind in method.kinds if clash(kind, kinds)), None)


@dataclass(frozen=True)
class Base:
    """What every method starts from.

    Attributes:
        start: The class matrix of the prompts.
        graph: From features to outputs.
        before: Components of an earlier training; they stay as they are.
        text: The prompts, for components of the text side.
        tower: Width and blocks of the image tower, for components inside it.
        inside: From the lower part of the image tower to outputs, for components inside it.
        meta: Weights of the meta-adapter.
        watch: Looks at the encoder's weights after each fit; None: nobody does.
    """

    start: ZeroShot
    graph: Graph
    before: tuple[Component, ...] = ()
    text: TextSide | None = None
    tower: TowerSizes | None = None
    inside: Graph | None = None
    meta: MetaWeights | None = None
    watch: BaseWatch | None = None

    def graph_of(self, method: Method) -> Graph:
        """Return the graph that a method is trained through.

        Raises:
            ValueError: The method reaches into the tower, and there is no graph of its inside.
        """
        if method.level == "features":
            return self.graph
        if self.inside is None:
            raise ValueError(
                f"{method.name} reaches into the tower: give Base a graph of its inside"
            )
        return self.inside


def fresh_model(method: Method, base: Base, rows: TrainingRows, recipe: Recipe) -> AdapterModel:
    """Return the trained components of a method at their start; training-free ones come later."""
    torch.manual_seed(recipe.seed)
    graph = base.graph_of(method)
    model = AdapterModel(base.start, base.before, graph)
    making = Making(rows, model, recipe, base.text, base.tower)
    trained = [MAKERS[kind] for kind in method.kinds if MAKERS[kind].trained]
    own = [maker.make(making, {}) for maker in trained]
    return AdapterModel(base.start, (*base.before, *own), graph)


def slot_shapes(method: Method, model: AdapterModel, rows: TrainingRows) -> dict[str, list[int]]:
    """Return name -> shape of the slots that a method binds once it is fitted to rows.

    A training-free component is not made for that: its cache is as long as there are regions.

    Args:
        method: Not fitted.
        model: Its `fresh_model`.
        rows: Of the training part alone.
    """
    shapes = {name: list(slot.shape) for name, slot in model.own_slots().items()}
    if any(MAKERS[kind].caches for kind in method.kinds):
        embed_dim, columns = model.start.weights.shape
        entries = min(len(np.unique(rows.origins)), MOST_ENTRIES)
        cache = {"cache_keys": [embed_dim, entries], "cache_values": [entries, columns]}
        shapes |= {**cache, "alpha": [1], "beta": [1]}
    return shapes


def fitted(  # noqa: PLR0913 - each is one thing, and three have defaults
    method: Method,
    base: Base,
    rows: TrainingRows,
    recipe: Recipe,
    *,
    setting: Setting | None = None,
    advance: Callable[[float], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> AdapterModel:
    """Return a method's model, fitted to rows.

    Args:
        method: What to fit.
        base: What it starts from.
        rows: Of the training part alone.
        recipe: Steps, rates, sizes, seed.
        setting: Of the training-free component.
        advance: Called after each step with its loss.
        checkpoint: Where the state of the fit is kept.

    Raises:
        ArtefactError: The encoder's weights changed.
    """
    model = fresh_model(method, base, rows, recipe)
    fit(model, rows, recipe, advance=advance, checkpoint=checkpoint)
    for kind in method.kinds:
        if not MAKERS[kind].trained:
            making = Making(rows, model, recipe, base.text, base.tower, base.meta)
            own = MAKERS[kind].make(making, setting or {})
            model = AdapterModel(base.start, (*model.parts, own), model.graph)
    if base.watch:
        base.watch.check(method.name)
    return model.eval()
