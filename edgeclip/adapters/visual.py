"""The visual adapter: a residual bottleneck on the image features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.bottleneck import Bottleneck
from edgeclip.adapters.stored import FusionClass


class VisualAdapter(Bottleneck):
    """f' = f + |f| ratio A(f^): the bottleneck A on the image features.

    The ratio is fixed, or learned as tanh(rho) from the given one.

    Attributes:
        rho: `(1,)` where the ratio is learned, else None.
    """

    kind: ClassVar[str] = "visual"
    fusion: ClassVar[FusionClass] = "F1"

    def __init__(
        self, embed_dim: int, *, reduction: int, ratio: float, learned: bool = False
    ) -> None:
        """Start the adapter at the identity.

        Args:
            embed_dim: E.
            reduction: Of the hidden width, from 1 to E.
            ratio: Weight of the branch, or where a learned one starts.
            learned: Whether the ratio is learned.

        Raises:
            ValueError: Out of range; a learned ratio must start below 1, which tanh never reaches.
        """
        super().__init__(embed_dim, reduction=reduction, ratio=ratio)
        if learned and ratio >= 1:
            raise ValueError(f"a learned ratio starts below 1, not at {ratio}")
        self.rho = nn.Parameter(torch.tensor([ratio]).atanh()) if learned else None

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return va_down, va_up and va_ratio; the share scales the ratio."""
        return {
            "va_down": self.down,
            "va_up": self.up,
            "va_ratio": torch.tensor([self.ratio * share])
            if self.rho is None
            else share * torch.tanh(self.rho),
        }
