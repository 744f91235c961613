"""Frozen encoder and head as one module: uint8 frames and a pack's tensors in, outputs out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from edgeclip.adapters.deep_graph import DeepModel
from edgeclip.adapters.head_graph import HeadGraph, patch_scores
from edgeclip.cells import cells_of, inner_cells
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import Rung
from edgeclip.contract.slots import (
    OUTPUTS_OF,
    SLOTS_OF,
    GraphKind,
    Slot,
    adapted_blocks,
    cross_modal_blocks,
)
from edgeclip.tower_kinds import is_staged
from edgeclip.towers import split_tower
from edgeclip_export.graph_rules import Expected
from edgeclip_export.last_block import shorten

_HEAD_SOFTMAXES = 2  # of the cross-modal adapter, and of the columns

TorchPrecision = Literal["fp16", "fp32", "fp64"]
"""Of the tower: that of the rungs' graphs, or of the one graph that these are made of."""
_DTYPES = {"fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}


class FusedModel(nn.Module):
    """What becomes the graph.

    Mean, deviation and 255 are folded into one multiplication and one addition, in NHWC and before
    the transposition, since TensorRT refuses to transpose uint8. With `fp16` the tower runs in half
    precision, and everything after it (projection, adapters, logits) in single: under 0.5 % of the
    operations, while a logit scale of 100 would make steps of 0.03 in half precision. With `fp64`
    the tower is in double precision, which in a graph stands for that of any rung.

    A `deep` graph has the slots inside the tower's last blocks too. What they add is computed in
    single precision.

    Args:
        backbone: The frozen encoder; it is not changed.
        precision: Of the tower.
        graph: Which slots it has.

    Raises:
        ConfigError: The graph is deep, and adapters do not know the tower's blocks.
    """

    pixel_scale: Tensor
    pixel_shift: Tensor

    def __init__(
        self, backbone: Backbone, precision: TorchPrecision, graph: GraphKind = "head"
    ) -> None:
        super().__init__()
        visual = copy.deepcopy(backbone.tower.visual).cpu().eval()
        self.dtype, self.graph = _DTYPES[precision], graph
        self.size, self.blocks = backbone.preprocess.size, backbone.base.blocks
        if graph == "head":  # before the weights are rounded
            self.cells = cells_of(visual).to(self.dtype)
            if self.blocks:
                shorten(visual)
        else:
            self.inner = inner_cells(visual).to(self.dtype)
        self.visual = visual.to(self.dtype)
        self.projection = nn.Parameter(
            backbone.tower.projection.detach().cpu().clone(), requires_grad=False
        )
        mean, std = (
            torch.tensor(values, dtype=torch.float64)
            for values in (backbone.preprocess.mean, backbone.preprocess.std)
        )
        self.register_buffer("pixel_scale", (1 / (255 * std)).float())
        self.register_buffer("pixel_shift", (-mean / std).float())
        self.head = HeadGraph()
        if graph == "deep":
            cut = self.blocks - adapted_blocks(self.blocks)
            self.lower, upper = split_tower(self.visual, self.projection, cut)
            self.deep = DeepModel(upper)

    def forward(self, images: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Return the graph's outputs, in the order of `contract.slots.OUTPUTS_OF`.

        Args:
            images: `(B, S, S, 3)` uint8, RGB, from the contract's preprocessing.
            slots: All of the graph's slots in the order of `contract.slots.SLOTS_OF`, float32.
        """
        pixels = self.pixels(images)
        given = dict(zip(SLOTS_OF[self.graph], slots, strict=True))
        delta, columns = given["projection_delta"], given["class_weights"]
        if self.graph == "deep":
            pooled, cells = self.inner.beside(
                self.visual, lambda: self.deep.pooled(self.lower(pixels), given)
            )
            outputs, attention = self.deep.decided(pooled, given)
            shifted = cells.float() @ (self.projection + delta)
            return (*outputs, patch_scores(shifted, columns), attention)
        z, cells = (part.float() for part in self.cells(self.visual, pixels))
        scores = patch_scores(cells @ (self.projection + delta), columns)
        return (*self.head(z, z @ self.projection, *slots), scores)

    @property
    def slots(self) -> Mapping[str, Slot]:
        """Inputs of the graph after `images`."""
        return SLOTS_OF[self.graph]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs of the graph."""
        return OUTPUTS_OF[self.graph]

    def pixels(self, images: Tensor) -> Tensor:
        """Return normalised `(B, 3, S, S)` of the tower's type for `(B, S, S, 3)` uint8."""
        pixels = images.float() * self.pixel_scale + self.pixel_shift
        return pixels.permute(0, 3, 1, 2).to(self.dtype)

    def expected(self, rung: Rung) -> Expected:
        """Return what its graph must look like: no norm and no softmax is taken apart.

        Args:
            rung: What the graph computes in.
        """
        inside = self.graph == "deep"
        return self.looks(
            rung,
            norms=adapted_blocks(self.blocks) if inside else 0,
            softmaxes=_HEAD_SOFTMAXES + (cross_modal_blocks(self.blocks) + 1 if inside else 0),
        )

    def looks(self, rung: Rung, *, norms: int, softmaxes: int) -> Expected:
        """Return what a graph of this tower must look like.

        Args:
            rung: What it computes in.
            norms: LayerNorms beside the tower's own.
            softmaxes: Beside the tower's own: one for each of its attentions.
        """
        own = sum(isinstance(module, nn.LayerNorm) for module in self.visual.modules())
        attentions = 1 if is_staged(self.visual) else self.blocks
        return Expected(
            size=self.size,
            rung=rung,
            layer_norms=own + norms + self._norms_of_patches(),
            softmaxes=attentions + softmaxes if attentions else None,
            blocks=self.blocks,
        )

    def _norms_of_patches(self) -> int:
        """Return 1 for a ViT's cells, 2 where its pooling by classes needs another of its own."""
        pools = "attention" in self.outputs
        return int(self.blocks > 0) + int(pools and bool(self.visual.final_ln_after_pool))
