"""The visual adapter: a residual bottleneck on the image features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component, FusionClass


class VisualAdapter(Component):
    """A(x) = ReLU(x down) up, added to f by f' = f + |f| ratio A(f^).

    CLIP-Adapter (Gao et al., IJCV 2024, arXiv 2110.04544) without bias and without a last ReLU,
    and with `up` zero at the start, so that step 0 is exactly zero-shot. (A last ReLU behind a
    zero `up` would have no gradient for ever, hence there is no option for one.)

    Attributes:
        down: `(E, H)`, H = E / reduction.
        up: `(H, E)`, zero at the start.
        ratio: In (0, 1].
    """

    kind: ClassVar[str] = "visual"
    fusion: ClassVar[FusionClass] = "F1"

    def __init__(self, embed_dim: int, *, reduction: int, ratio: float) -> None:
        """Start the adapter at the identity.

        Args:
            embed_dim: E.
            reduction: Of the hidden width, from 1 to E.
            ratio: Weight of the branch.

        Raises:
            ValueError: A ratio of 0 with a zero `up` would never learn; or out of range.
        """
        super().__init__()
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio {ratio} is not in (0, 1]: with 0 the adapter cannot learn")
        if not 1 <= reduction <= embed_dim:
            raise ValueError(f"reduction {reduction} is not in 1..{embed_dim}")
        hidden = embed_dim // reduction
        self.down = nn.Parameter(torch.empty(embed_dim, hidden))
        self.up = nn.Parameter(torch.zeros(hidden, embed_dim))
        self.ratio = ratio
        nn.init.kaiming_uniform_(self.down.T, a=5**0.5)  # as nn.Linear; .T because of [in, out]

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return va_down, va_up and va_ratio; the share scales the ratio."""
        return {
            "va_down": self.down,
            "va_up": self.up,
            "va_ratio": torch.tensor([self.ratio * share]),
        }
