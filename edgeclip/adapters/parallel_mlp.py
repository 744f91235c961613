"""A bottleneck beside the MLP of each of the last blocks: further hidden units of that MLP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from edgeclip.adapters.block import BlockSettings, drawn
from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.tower_deltas import PREFIX, WIDER

_IN, _OUT = ".mlp.c_fc.weight", ".mlp.c_proj.weight"


class ParallelLayer(nn.Module):
    """What stands beside one block's MLP.

    Attributes:
        down: `(D, h)`.
        down_bias: `(h,)`.
        up: `(h, D)`, zero at the start.
        up_bias: `(D,)`, zero at the start.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.down, self.down_bias = drawn(width, hidden), nn.Parameter(torch.zeros(hidden))
        self.up = nn.Parameter(torch.zeros(hidden, width))
        self.up_bias = nn.Parameter(torch.zeros(width))


class ParallelMlp(Component):
    """h <- h + MLP(n) + s (phi(n W_d + b_d) W_u + b_u), n = LN_2(h), in the last k blocks.

    MMA (Yang et al., CVPR 2024) adapts the upper layers beside the MLP. Here phi is the block's
    own activation and n the norm that its MLP reads, so that W_d and W_u widen the MLP's two
    matrices: no node is added, and the wider blocks ask for a graph of their own.

    Args:
        weights: Of the tower's part that is run, by name.
        settings: k, h, s and dropout; a learned scale is not offered.

    Raises:
        ValueError: There is no block among the weights, or a setting is out of range.
    """

    kind: ClassVar[str] = "parallel_mlp"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 5e-4

    def __init__(
        self, weights: Mapping[str, Tensor], settings: BlockSettings | None = None
    ) -> None:
        super().__init__()
        settings = settings or BlockSettings()
        settings.check()
        blocks = [name.removesuffix(_IN) for name in weights if name.endswith(_IN)]
        if not blocks:
            raise ValueError(f"{self.kind}: the tower has no parameter of this kind")
        if settings.scale is None:
            raise ValueError(f"{self.kind}: a learned scale is not offered: give a number")
        self._scale, self._left_out = settings.scale, settings.dropout
        self._blocks = blocks[-settings.last :]
        widths = [weights[block + _IN].shape[1] for block in self._blocks]
        self.layers = nn.ModuleList(ParallelLayer(width, settings.hidden) for width in widths)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return what widens the blocks' matrices; scale and share are folded into W_u and b_u."""
        found: dict[str, Tensor] = {}
        for block, layer in zip(self._blocks, self.layers, strict=True):
            own = cast(ParallelLayer, layer)
            kept = dropout(own.up.new_ones(len(own.up), 1), self._left_out, self.training)
            scale = share * self._scale
            found |= {
                f"{PREFIX}{block}{_IN}{WIDER}": own.down.T,
                f"{PREFIX}{block}.mlp.c_fc.bias{WIDER}": own.down_bias,
                f"{PREFIX}{block}{_OUT}{WIDER}": scale * (kept * own.up).T,
                f"{PREFIX}{block}.mlp.c_proj.bias": scale * own.up_bias,
            }
        return found
