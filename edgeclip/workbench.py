"""The training part on the bench: methods fitted to it whole, or to rounds of it for the ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.running import run_graph
from edgeclip.config import Recipe
from edgeclip.costs import added_macs, filled_beyond_zero_shot
from edgeclip.ladder import Entry, Logits, Rung
from edgeclip.makers import Setting
from edgeclip.methods import Base, Method, fitted, fresh_model
from edgeclip.training import TrainingRows, inputs_of


@dataclass(frozen=True)
class Workbench:
    """What all methods of one training share.

    Attributes:
        base: What they start from.
        rows: Regions of the training part, all views.
        recipe: Steps, rates, sizes, seed.
    """

    base: Base
    rows: TrainingRows
    recipe: Recipe

    def fit(
        self,
        method: Method,
        setting: Setting,
        *,
        advance: Callable[[float], None] = lambda _: None,
    ) -> AdapterModel:
        """Return a method fitted to the whole training part."""
        return fitted(method, self.base, self.rows, self.recipe, setting=setting, advance=advance)

    def entry(self, method: Method, rung: Rung) -> Entry:
        """Return a method as the ladder tries it."""
        model = fresh_model(method, self.base, self.rows, self.recipe)
        shapes = {name: list(slot.shape) for name, slot in model.own_slots().items()}
        return Entry(
            name=method.name,
            rung=rung,
            fusion=method.fusion,
            shares=method.shares,
            settings=method.settings,
            logits=lambda fit, held, setting: self._held_out(method, fit, held, setting),
            parameters=sum(p.numel() for p in model.parameters()),
            added_macs=added_macs(shapes, tokens=self.base.tower.tokens if self.base.tower else 1),
            slots=filled_beyond_zero_shot(shapes),
        )

    def _held_out(
        self,
        method: Method,
        fit: NDArray[np.int64],
        held: NDArray[np.int64],
        setting: Setting,
    ) -> Mapping[float, Logits]:
        model = fitted(method, self.base, self.rows.chosen(fit), self.recipe, setting=setting)
        inputs = inputs_of(self.rows.features, held)
        return {
            share: run_graph(model.graph, inputs, model.pack_tensors(share)).logits.numpy()
            for share in method.shares
        }
