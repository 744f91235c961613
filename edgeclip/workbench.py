"""The training part on the bench: methods fitted to it whole, or to rounds of it for the ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.running import run_graph
from edgeclip.adapters.stored import pack_fusion
from edgeclip.config import Recipe
from edgeclip.costs import added_macs, filled_beyond_zero_shot
from edgeclip.fit_state import Checkpoint
from edgeclip.ladder import Entry, Logits, Rung
from edgeclip.makers import MAKERS
from edgeclip.making import Setting
from edgeclip.methods import Base, Method, fitted, fresh_model, slot_shapes
from edgeclip.run_folder import FIT, ROUND, RunFolder
from edgeclip.run_pieces import Pieces, What, pieces_of
from edgeclip.training import TrainingRows, inputs_of

Rows = NDArray[np.int64]
ByShare = Mapping[float, Logits]


@dataclass(frozen=True)
class Workbench:
    """What all methods of one training share.

    Attributes:
        base: What they start from.
        rows: Regions of the training part, all views.
        recipe: Steps, rates, sizes, seed.
        run: Where finished pieces are kept, for a run that continues this one.
    """

    base: Base
    rows: TrainingRows
    recipe: Recipe
    run: RunFolder | None = None

    def fit(
        self,
        method: Method,
        setting: Setting,
        *,
        advance: Callable[[float], None] = lambda _: None,
    ) -> AdapterModel:
        """Return a method fitted to the whole training part."""
        pieces, checkpoint = self._pieces, None
        if pieces:
            what: list[What] = [method.name, dict(setting)]
            name = pieces.name(FIT, what)
            checkpoint = pieces.checkpoint(name, keeps_end=True)
        return fitted(
            method,
            self.base,
            self.rows,
            self.recipe,
            setting=setting,
            advance=advance,
            checkpoint=checkpoint,
        )

    def entry(self, method: Method, rung: Rung) -> Entry:
        """Return a method as the ladder tries it."""
        model = fresh_model(method, self.base, self.rows, self.recipe).eval()
        tower = self.base.tower
        shapes = slot_shapes(method, model, self.rows)
        return Entry(
            name=method.name,
            rung=rung,
            fusion=pack_fusion(shapes, (method.fusion, *(part.fusion for part in model.parts))),
            shares=method.shares,
            settings=method.settings,
            logits=lambda fit, held, setting: self._round(method, fit, held, setting),
            parameters=sum(p.numel() for p in model.parameters()),
            added_macs=added_macs(
                shapes,
                tokens=tower.tokens if tower else 1,
                places=tower.places if tower else {},
            ),
            slots=filled_beyond_zero_shot(shapes),
            is_trained=any(MAKERS[kind].trained for kind in method.kinds),
        )

    def as_it_is(self, name: str, model: AdapterModel) -> Entry:
        """Return a model that learns nothing as the ladder tries it, on rung S0."""
        tensors, tower = model.pack_tensors(), self.base.tower
        shapes = {slot: list(tensor.shape) for slot, tensor in tensors.items()}

        def logits(held: Rows) -> Logits:
            """Return the logits of rows."""
            inputs = inputs_of(self.rows.features, held)
            return run_graph(model.graph, inputs, tensors).logits.numpy()

        return Entry(
            name=name,
            rung="S0",
            fusion=pack_fusion(shapes, (part.fusion for part in model.parts)),
            shares=(1.0,),
            settings=({},),
            logits=lambda _fit, held, _setting: {1.0: logits(held)},
            added_macs=added_macs(
                shapes,
                tokens=tower.tokens if tower else 1,
                places=tower.places if tower else {},
            ),
            slots=filled_beyond_zero_shot(shapes),
        )

    @cached_property
    def _pieces(self) -> Pieces | None:
        return pieces_of(self.run, self.base, self.rows, self.recipe) if self.run else None

    def _round(self, method: Method, fit: Rows, held: Rows, setting: Setting) -> ByShare:
        """Return a round's logits: those of an interrupted run, or computed and kept."""
        pieces = self._pieces
        if not pieces:
            return self._held_out(method, (fit, held), setting)
        what: list[What] = [method.name, dict(setting), fit, held]
        name, checkpoint = pieces.name(ROUND, what), pieces.checkpoint(pieces.name(FIT, what))
        known = pieces.logits(name, method.shares)
        if known is None:
            known = self._held_out(method, (fit, held), setting, checkpoint)
            pieces.keep_logits(name, known)
        checkpoint.drop()
        return known

    def _held_out(
        self,
        method: Method,
        parts: tuple[Rows, Rows],
        setting: Setting,
        checkpoint: Checkpoint | None = None,
    ) -> dict[float, Logits]:
        """Return by share the logits of the second part's rows after a fit to the first's."""
        fit, held = parts
        rows = self.rows.chosen(fit)
        model = fitted(method, self.base, rows, self.recipe, setting=setting, checkpoint=checkpoint)
        inputs = inputs_of(self.rows.features, held)
        return {
            share: run_graph(model.graph, inputs, model.pack_tensors(share)).logits.numpy()
            for share in method.shares
        }
