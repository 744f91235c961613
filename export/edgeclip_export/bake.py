"""Encoder and head with a pack's tensors as constants: images in, outputs out, nothing to bind."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.deep_graph import adapted_tokens, class_pooling
from edgeclip.adapters.head_graph import head_outputs, patch_scores
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import Rung
from edgeclip.contract.slots import DEEP_OUTPUTS, HEAD_OUTPUTS, HEAD_SLOTS, GraphKind, Slot
from edgeclip.towers import TowerOutputs
from edgeclip_export.fuse import FusedModel, TorchPrecision
from edgeclip_export.graph_rules import Expected

Slots = Mapping[str, NDArray[np.float32]]

_BRANCHES = {
    "va_ratio": ("va_down", "va_up", "va_ratio"),
    "xm_ratio": ("xm_q", "xm_k", "xm_v", "xm_ratio"),
    "alpha": ("cache_keys", "cache_values", "alpha", "beta"),
}
"""By the factor that switches a branch of the head off."""
_LAST = {"va_ratio": "va_up", "xm_ratio": "xm_v", "alpha": "cache_values"}
"""The last tensor of a branch: it is off as well where that is zero."""
_ROWS = {"ba": ("ba_up", "ba_up_bias"), "bx": ("bx_vo", "bx_out_bias")}


class BakedModel(FusedModel):
    """What becomes the graph of one pack.

    What the pack leaves neutral has no node: a pack of fusion class F0 gives the graph of the bare
    encoder with its class matrix.

    Args:
        backbone: The encoder, changed where the pack changes its weights or its projection.
        precision: Of the tower.
        graph: Which slots the pack has tensors for.
        tensors: For every slot of such a graph, `projection_delta` folded: see `fold_projection`.

    Raises:
        ValueError: `projection_delta` is not folded.
    """

    def __init__(
        self, backbone: Backbone, precision: TorchPrecision, graph: GraphKind, tensors: Slots
    ) -> None:
        super().__init__(backbone, precision, graph)
        if tensors["projection_delta"].any():
            raise ValueError("projection_delta is not folded: call fold_projection first")
        self._head = live_head_slots(tensors)
        self._rows = {kind: live_rows(tensors, kind) for kind in _ROWS}
        self._pooled = graph == "deep" and any(tensors[n].any() for n in ("cp_attend", "cp_score"))
        inside = [name for name in tensors if name not in HEAD_SLOTS and self._is_live(name)]
        self._kept = (*self._head, *inside)
        for name in self._kept:
            self.register_buffer(name, torch.from_numpy(np.array(tensors[name], np.float32)))

    @property
    def slots(self) -> Mapping[str, Slot]:
        """Nothing: all is in the graph."""
        return {}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs of the graph; heat maps where the pack makes them."""
        return DEEP_OUTPUTS if self._pooled else HEAD_OUTPUTS

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]  # no slots
        """Return the outputs.

        Args:
            images: `(B, S, S, 3)` uint8, RGB, from the contract's preprocessing.
        """
        slots = {name: self.get_buffer(name) for name in self._kept}
        head = {name: slots[name] for name in self._head}
        pixels = self.pixels(images)
        if self.graph == "head":
            z, cells = (part.float() for part in self.cells(self.visual, pixels))
            return (*head_outputs(z, z @ self.projection, head), self._scores(cells, head))
        pooled, cells = self.inner.beside(
            self.visual, lambda: self._upper(self.lower(pixels), slots)
        )
        scores = self._scores(cells.float(), head)
        if not self._pooled:
            return (*head_outputs(pooled.z, pooled.f, head), scores)
        added, attention = class_pooling(pooled.patches, slots)
        head["class_bias"] = head["class_bias"] + head["logit_scale"] * added
        return (*head_outputs(pooled.z, pooled.f, head), scores, attention)

    def expected(self, rung: Rung) -> Expected:
        """Return what its graph must look like; see `FusedModel`."""
        adapted = len(self._rows["ba"] | self._rows["bx"])
        softmaxes = 1 + ("xm_ratio" in self._head) + len(self._rows["bx"]) + self._pooled
        looks = self.looks(rung, norms=adapted, softmaxes=softmaxes)
        return replace(looks, baked=self.outputs, adapted=adapted)

    def _upper(self, tokens: Tensor, slots: Mapping[str, Tensor]) -> TowerOutputs:
        upper = self.deep.upper
        for row, block in enumerate(upper.blocks, -len(upper.blocks)):
            inside = {"block": row in self._rows["ba"], "cross_modal": row in self._rows["bx"]}
            tokens = adapted_tokens(block(tokens), slots, row, **inside)
        pooled: TowerOutputs = upper.pool(tokens)
        return pooled

    def _scores(self, cells: Tensor, head: Mapping[str, Tensor]) -> Tensor:
        """Return `(B, N - 1, K)` of cells `(B, N - 1, D)` before the projection."""
        return patch_scores(cells @ self.projection, head["class_weights"])

    def _is_live(self, name: str) -> bool:
        kind = name.split("_")[0]
        return self._pooled if kind == "cp" else bool(self._rows[kind])


def fold_projection(backbone: Backbone, tensors: Slots) -> tuple[Backbone, Slots]:
    """Return an encoder that projects by P + dP, and the tensors with dP at zero.

    `base_embedding` is then what that encoder says, as where a pack changes the tower's weights.

    Args:
        backbone: The encoder; it is not written to. Where dP is zero it comes back as it is.
        tensors: For every slot of the graph.
    """
    delta = tensors["projection_delta"]
    if not delta.any():
        return backbone, tensors
    visual = backbone.tower.visual
    tower = copy.deepcopy(backbone.tower, {id(visual): visual})  # the tower itself is shared
    tower.projection.add_(torch.from_numpy(delta).to(tower.projection.device))
    return replace(backbone, tower=tower), {**tensors, "projection_delta": np.zeros_like(delta)}


def live_head_slots(tensors: Slots) -> list[str]:
    """Return the slots of the head that change what comes out, in their order; it has folded dP.

    Args:
        tensors: For every slot of the graph.
    """
    off = {
        name
        for switch, names in _BRANCHES.items()
        if not (tensors[switch].any() and tensors[_LAST[switch]].any())
        for name in names
    }
    return [name for name in HEAD_SLOTS if name not in {*off, "projection_delta"}]


def live_rows(tensors: Slots, kind: str) -> set[int]:
    """Return the blocks with an adapter that adds something; -1 is the last block of the tower.

    Args:
        tensors: For every slot of the graph.
        kind: ba, block adapters, or bx, cross-modal attention.
    """
    weights, bias = _ROWS[kind]
    if weights not in tensors:
        return set()
    rows = range(-len(tensors[weights]), 0)
    return {row for row in rows if tensors[weights][row].any() or tensors[bias][row].any()}
