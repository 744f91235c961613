"""Frozen encoder and head as one module: uint8 frames and a pack's tensors in, outputs out."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from edgeclip.adapters.deep_graph import DeepModel
from edgeclip.adapters.head_graph import HeadGraph
from edgeclip.clip import Backbone
from edgeclip.contract.slots import ALL_SLOTS, GraphKind, adapted_blocks, cross_modal_blocks
from edgeclip.towers import is_staged, split_tower
from edgeclip_export.graph_rules import Expected

_HEAD_SOFTMAXES = 2  # of the cross-modal adapter, and of the columns

TorchPrecision = Literal["fp16", "fp32"]
"""Of the tower; the rung between them is made of the first one's graph."""


class FusedModel(nn.Module):
    """What becomes the graph.

    Mean, deviation and 255 are folded into one multiplication and one addition, in NHWC and before
    the transposition, since TensorRT refuses to transpose uint8. With `fp16` the tower runs in half
    precision, and everything after it (projection, adapters, logits) in single: under 0.5 % of the
    operations, while a logit scale of 100 would make steps of 0.03 in half precision.

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
        self.dtype = torch.float16 if precision == "fp16" else torch.float32
        self.precision, self.graph = precision, graph
        self.size, self.blocks = backbone.preprocess.size, backbone.base.blocks
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
        pixels = (images.float() * self.pixel_scale + self.pixel_shift).permute(0, 3, 1, 2)
        if self.graph == "deep":
            tokens = self.lower(pixels.to(self.dtype))
            outputs, attention = self.deep(tokens, dict(zip(ALL_SLOTS, slots, strict=True)))
            return (*outputs, attention)
        z = self.visual(pixels.to(self.dtype)).float()
        return tuple(self.head(z, z @ self.projection, *slots))

    def expected(self) -> Expected:
        """Return what its graph must look like: no norm and no softmax is taken apart."""
        norms = sum(isinstance(module, nn.LayerNorm) for module in self.visual.modules())
        inside = self.graph == "deep"
        return Expected(
            size=self.size,
            rung=self.precision,
            layer_norms=norms + (adapted_blocks(self.blocks) if inside else 0),
            softmaxes=self._softmaxes(),
            blocks=self.blocks,
        )

    def _softmaxes(self) -> int | None:
        """Return one for each attention, two of the head, and those that a `deep` graph adds."""
        if is_staged(self.visual):
            return 1 + _HEAD_SOFTMAXES
        if not self.blocks:
            return None
        inside = cross_modal_blocks(self.blocks) + 1 if self.graph == "deep" else 0
        return self.blocks + _HEAD_SOFTMAXES + inside
