"""CLIP-Adapter as published, for parity and for weights of others; it binds no slot."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass

RATIO, REDUCTION = 0.2, 4  # the paper's for most data sets, and its bottleneck


class ClipAdapter(Component):
    """f' = ratio ReLU(ReLU(f down) up) + (1 - ratio) f.

    Gao et al., IJCV 2024, arXiv 2110.04544. Behind the last ReLU only shifts that are nowhere
    negative are possible, and a zero `up` would have no gradient for ever; so it starts away from
    the identity, and a zero start is refused. The graph has no slot for it: it is baked into a
    graph of its own. For new packs `VisualAdapter` is the better form.

    Attributes:
        down: `(E, H)`.
        up: `(H, E)`.
        ratio: In [0, 1].
    """

    kind: ClassVar[str] = "clip_adapter_compat"
    fusion: ClassVar[FusionClass] = "F1"

    def __init__(self, down: Tensor, up: Tensor, *, ratio: float = RATIO) -> None:
        """Keep the weights.

        Args:
            down: `(E, H)`; published checkpoints hold its transpose as `fc.0.weight`.
            up: `(H, E)`; the transpose of `fc.2.weight`.
            ratio: Weight of the branch.

        Raises:
            ValueError: `up` is zero, shapes do not fit, or the ratio is out of range.
        """
        super().__init__()
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio {ratio} is not in [0, 1]")
        if down.ndim != 2 or up.shape != down.T.shape:
            raise ValueError(f"down {tuple(down.shape)} and up {tuple(up.shape)} do not fit")
        if not bool(up.any()):
            raise ValueError("up is zero: behind a last ReLU it would have no gradient for ever")
        self.down, self.up = nn.Parameter(down.clone()), nn.Parameter(up.clone())
        self.ratio = ratio

    @staticmethod
    def fresh(embed_dim: int, *, reduction: int = REDUCTION, ratio: float = RATIO) -> ClipAdapter:
        """Return one at its published start: both weights as `nn.Linear` draws them.

        Args:
            embed_dim: E.
            reduction: Of the hidden width, from 1 to E.
            ratio: Weight of the branch.

        Raises:
            ValueError: Out of range.
        """
        if not 1 <= reduction <= embed_dim:
            raise ValueError(f"reduction {reduction} is not in 1..{embed_dim}")
        down = nn.Linear(embed_dim, embed_dim // reduction, bias=False).weight.T
        up = nn.Linear(embed_dim // reduction, embed_dim, bias=False).weight.T
        return ClipAdapter(down.detach(), up.detach(), ratio=ratio)

    def features(self, f: Tensor, share: float = 1.0) -> Tensor:
        """Return `(B, E)` adapted features of unit norm.

        Args:
            f: `(B, E)`; its length does not matter (invariant 4).
            share: WiSE: scales the ratio.
        """
        ratio = self.ratio * share
        moved = torch.relu(torch.relu(f @ self.down) @ self.up)
        return torch.nn.functional.normalize(ratio * moved + (1 - ratio) * f, dim=1)
