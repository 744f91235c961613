"""The bottleneck of CLIP-Adapter: a residual branch that starts as nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component
from edgeclip.adapters.starts import refuse_dead_start


class Bottleneck(Component):
    """A(x) = ReLU(x down) up, weighed by a ratio.

    CLIP-Adapter (Gao et al., IJCV 2024, arXiv 2110.04544) without bias and without a last ReLU,
    and with `up` zero at the start, so that step 0 is exactly zero-shot. (A last ReLU behind a
    zero `up` would have no gradient for ever, hence there is no option for one.)

    Attributes:
        down: `(E, H)`, H = E / reduction.
        up: `(H, E)`, zero at the start.
        ratio: In (0, 1].
    """

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
        refuse_dead_start(zero_up=True, zero_gate=ratio == 0)
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio {ratio} is not in (0, 1]")
        if not 1 <= reduction <= embed_dim:
            raise ValueError(f"reduction {reduction} is not in 1..{embed_dim}")
        hidden = embed_dim // reduction
        self.down = nn.Parameter(torch.empty(embed_dim, hidden))
        self.up = nn.Parameter(torch.zeros(hidden, embed_dim))
        self.ratio = ratio
        nn.init.kaiming_uniform_(self.down.T, a=5**0.5)  # as nn.Linear; .T because of [in, out]

    def branch(self, x: Tensor) -> Tensor:
        """Return A(x), `(..., E)`."""
        return torch.relu(x @ self.down) @ self.up
