"""The visual adapter: a residual bottleneck on the image features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from edgeclip.adapters.bottleneck import Bottleneck
from edgeclip.adapters.component import FusionClass


class VisualAdapter(Bottleneck):
    """f' = f + |f| ratio A(f^): the bottleneck A on the image features."""

    kind: ClassVar[str] = "visual"
    fusion: ClassVar[FusionClass] = "F1"

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return va_down, va_up and va_ratio; the share scales the ratio."""
        return {
            "va_down": self.down,
            "va_up": self.up,
            "va_ratio": torch.tensor([self.ratio * share]),
        }
