"""The graph that reaches into the encoder: upper blocks with their adapters, then the head.

After block l, with n = (h - mean(h)) / sqrt(var(h) + 1e-5), a LayerNorm without affine:

    h   <- h + ReLU(n ba_down + ba_down_bias) ba_up + ba_up_bias            the last 8 blocks
             + softmax(n bx_qk + bx_qk_bias) bx_vo + bx_out_bias            the last 4 blocks

Both branches read the block's own output, so that either can be taken out without the other being
trained anew. Affine and scale of an adapter are folded into its slots. Over the patches, with
u = p / |p| of the projected patch tokens:

    a_k      =  softmax_j(u_j . cp_attend_k)
    logits_k <- logits_k + logit_scale sum_j a_jk (u_j . cp_score_k)

Neutral slots add exactly zero to h and to the logits: the frozen encoder, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs, unit
from edgeclip.adapters.model import Inputs, arrays
from edgeclip.adapters.placing import back, moved
from edgeclip.contract.slots import ALL_SLOTS, HEAD_SLOTS, filled_deep_slots
from edgeclip.towers import TowerOutputs, UpperTower

LN_EPS = 1e-5  # as the encoder's own norms


class DeepOutputs(NamedTuple):
    """What the deep graph gives for B images.

    Attributes:
        head: As of the head graph, the pooling in its logits.
        attention: `(B, N - 1, K)` in [0, 1], sums to 1 over the patches: the class's heat map.
    """

    head: HeadOutputs
    attention: Tensor


class DeepModel(nn.Module):
    """Tokens and slots -> outputs; no control flow that depends on data.

    Args:
        upper: The tower's upper part, shared, not copied.
    """

    def __init__(self, upper: UpperTower) -> None:
        super().__init__()
        self.upper = upper
        self.head = HeadGraph()

    def forward(self, tokens: Tensor, slots: Mapping[str, Tensor]) -> DeepOutputs:
        """Return the outputs.

        Args:
            tokens: `(B, N, D)` after the blocks below.
            slots: All of `contract.slots.ALL_SLOTS`, float32.
        """
        return self.decided(self.pooled(tokens, slots), slots)

    def pooled(self, tokens: Tensor, slots: Mapping[str, Tensor]) -> TowerOutputs:
        """Return what the blocks with their adapters give; arguments as of `forward`."""
        for row, block in enumerate(self.upper.blocks, -len(self.upper.blocks)):
            tokens = adapted_tokens(
                block(tokens),
                slots,
                row,
                block=-row <= len(slots["ba_down"]),
                cross_modal=-row <= len(slots["bx_qk"]),
            )
        return self.upper.pool(tokens)

    def decided(self, pooled: TowerOutputs, slots: Mapping[str, Tensor]) -> DeepOutputs:
        """Return the outputs of what `pooled` gave."""
        added, attention = class_pooling(pooled.patches, slots)
        head = {name: slots[name] for name in HEAD_SLOTS}
        # The bias of a column may differ from image to image: that is all the head sees of it.
        head["class_bias"] = head["class_bias"] + head["logit_scale"] * added
        outputs: HeadOutputs = self.head(pooled.z, pooled.f, **head)
        return DeepOutputs(outputs, attention)


def adapted_tokens(
    h: Tensor, slots: Mapping[str, Tensor], row: int, *, block: bool, cross_modal: bool
) -> Tensor:
    """Return `(B, N, D)` after a block's adapters.

    Args:
        h: `(B, N, D)` after the block.
        slots: ba_* and bx_*, float32.
        row: Of the slots; -1 is the last block's.
        block: Whether there is a block adapter.
        cross_modal: Whether there is cross-modal attention.
    """
    if not (block or cross_modal):
        return h
    dtype = slots["ba_down" if block else "bx_qk"].dtype
    normed = layer_norm(h.to(dtype), h.shape[-1:], eps=LN_EPS)
    if not block:
        return h + cross_modal_branch(normed, slots, row).to(h.dtype)
    branch = block_branch(normed, slots, row)
    if cross_modal:
        branch = branch + cross_modal_branch(normed, slots, row)
    return h + branch.to(h.dtype)


def block_branch(normed: Tensor, slots: Mapping[str, Tensor], row: int) -> Tensor:
    """Return the block adapter's `(B, N, D)`.

    Args:
        normed: `(B, N, D)`, normalised without affine.
        slots: ba_*.
        row: Of the slots; -1 is the last block.
    """
    hidden = torch.relu(normed @ slots["ba_down"][row] + slots["ba_down_bias"][row])
    return hidden @ slots["ba_up"][row] + slots["ba_up_bias"][row]


def cross_modal_branch(normed: Tensor, slots: Mapping[str, Tensor], row: int) -> Tensor:
    """Return the cross-modal adapter's `(B, N, D)`.

    Args:
        normed: `(B, N, D)`, normalised without affine.
        slots: bx_*.
        row: Of the slots; -1 is the last block.
    """
    attention = torch.softmax(normed @ slots["bx_qk"][row] + slots["bx_qk_bias"][row], dim=-1)
    return attention @ slots["bx_vo"][row] + slots["bx_out_bias"][row]


def class_pooling(patches: Tensor, slots: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return what the patches add to the logits, without the scale, and where they were looked at.

    Args:
        patches: `(B, N - 1, E)` projected, not normalised.
        slots: cp_*.

    Returns:
        `(B, K)`, and the attention `(B, N - 1, K)`.
    """
    direction, _ = unit(patches)
    attention = torch.softmax(direction @ slots["cp_attend"], dim=1)
    return (attention * (direction @ slots["cp_score"])).sum(dim=1), attention


class DeepGraph:
    """Runs the upper blocks on cached tokens: the graph of components that reach into the encoder.

    Args:
        upper: Of the frozen tower; what lies below it was computed once.
    """

    def __init__(self, upper: UpperTower) -> None:
        self.upper = upper
        self.model = DeepModel(upper).eval()

    def neutral(self, start: ZeroShot) -> dict[str, Tensor]:
        """Return every slot of the graph at zero-shot."""
        width, embed_dim = self.upper.projection.shape
        filled = filled_deep_slots(
            arrays(start.slots()),
            width=width,
            embed_dim=embed_dim,
            blocks=self.upper.total_blocks,
        )
        return {name: torch.from_numpy(np.array(slot)) for name, slot in filled.items()}

    def takes(self, slot: str) -> bool:
        """Return whether it is a slot of the head, or of the blocks that are run."""
        return slot in ALL_SLOTS

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs of the tokens in `inputs`; z and f are computed anew from them.

        Raises:
            ValueError: There are no tokens.
        """
        return self.outputs(inputs, slots).head

    def outputs(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> DeepOutputs:
        """Return the outputs with the heat maps.

        Raises:
            ValueError: There are no tokens, or an adapter lies below the cut.
        """
        if inputs.tokens is None:
            raise ValueError("the deep graph needs the tokens of the tower's lower part")
        for name in ("ba_up", "ba_up_bias", "bx_vo", "bx_out_bias"):
            unused = len(slots[name]) - len(self.upper.blocks)
            if unused > 0 and slots[name][:unused].any():  # it would be ignored without a word
                raise ValueError(f"{name} has adapters below cut {self.upper.cut}: cut lower")
        tokens = inputs.tokens
        if not isinstance(tokens, Tensor):
            tokens = torch.from_numpy(tokens.array()).float()
        device = self.upper.projection.device
        outputs: DeepOutputs = self.model(tokens.to(device), moved(slots, device))
        return DeepOutputs(back(outputs.head), outputs.attention.cpu())
