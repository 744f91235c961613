"""TaskRes: a residual on the class matrix, at a fixed weight and without an anchor."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.linalg import vector_norm

from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.stored import FusionClass

ALPHA = 0.5  # the paper's


class TaskResidual(Component):
    """w_c = t_c + alpha x_c at the norm of t_c; x is zero at the start.

    Yu et al., CVPR 2023, arXiv 2211.10277. Folded into the class matrix.

    Attributes:
        residual: `(E, K)`, x.
        alpha: > 0.
    """

    kind: ClassVar[str] = "taskres"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 2e-3  # the paper's

    def __init__(self, before: Head, *, alpha: float = ALPHA) -> None:
        """Start at the class matrix.

        Args:
            before: The class matrix.
            alpha: Weight of the residual.

        Raises:
            ValueError: An alpha of 0 or below: the residual could not learn.
        """
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"alpha {alpha} must be positive: with 0 the residual cannot learn")
        self.residual = nn.Parameter(torch.zeros_like(before.weights))
        self.alpha = alpha

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix with the residual added, each column at the norm it had."""
        moved = before.weights + share * self.alpha * self.residual
        # Scaled by a quotient of norms, not normalised, so that x = 0 gives T bit for bit.
        scale = vector_norm(before.weights, dim=0) / vector_norm(moved, dim=0)
        return Head(torch.mul(moved, scale), before.bias)
