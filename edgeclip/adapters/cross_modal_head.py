"""The cross-modal adapter at the head: the image features attend to the text tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.block import drawn
from edgeclip.adapters.component import Component
from edgeclip.adapters.cross_modal import Attention, attend, full_bake, kv_bake
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.text_tokens import TextTokens


class CrossModalHead(Component):
    """X(x) = softmax([x W_q (tau W_k)^T / sqrt(d), 0]) [tau W_v ; 0] W_o, one head, no bias.

    Added to f by f' = f + |f| ratio X(f^). tau is the unit text features times a learned scale;
    the last logit is the null slot: an image of foliage attends to nothing. W_o is zero at the
    start, and nothing else, so that step 0 is exactly zero-shot. Formulas: `cross_modal`.

    Training, the pack and the device evaluate the slots, in which the tokens are constants already.

    Attributes:
        scale: `()`, of the tokens.
        w_q: `(E, d)`.
        w_k: `(E, d)`.
        w_v: `(E, d)`.
        w_o: `(d, E)`, zero at the start.
        ratio: In (0, 1].
        text: The tokens, and the hash of the prompts they were made of.
    """

    kind: ClassVar[str] = "xmodal"
    fusion: ClassVar[FusionClass] = "F1"
    rate: ClassVar[float] = 5e-4
    tokens: Tensor

    def __init__(self, text: TextTokens, *, width: int, ratio: float) -> None:
        """Start the adapter at the identity.

        Args:
            text: tau without its scale.
            width: d, of the attention.
            ratio: Weight of the branch.

        Raises:
            ValueError: A ratio of 0 with a zero W_o would never learn; or out of range.
        """
        super().__init__()
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio {ratio} is not in (0, 1]: with 0 the adapter cannot learn")
        if width < 1:
            raise ValueError(f"an attention width of {width} is not at least 1")
        self.text, self.ratio = text, ratio
        embed_dim = text.features.shape[1]
        self.register_buffer("tokens", text.features.clone())
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.w_q, self.w_k, self.w_v = (drawn(embed_dim, width) for _ in range(3))
        self.w_o = nn.Parameter(torch.zeros(width, embed_dim))

    @property
    def weights(self) -> Attention:
        """W_q, W_k, W_v and W_o, with zero biases."""
        none, out = self.w_q.new_zeros(self.w_q.shape[1]), self.w_q.new_zeros(self.w_q.shape[0])
        return Attention(self.w_q, none, self.w_k, self.w_v, none, self.w_o, out)

    def live(self, x: Tensor) -> Tensor:
        """Return X `(B, E)` of unit features `(B, E)`, with the text looked at."""
        return attend(x, self.scale * self.tokens, self.weights)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return xm_q, xm_k, xm_v and xm_ratio; the share scales the ratio.

        The full bake where there are fewer tokens than attention channels, else the KV bake:
        whichever is smaller. In the full bake xm_k only adds the column of the null slot.
        """
        bake = self.full_slots() if len(self.tokens) < self.w_q.shape[1] else self.kv_slots()
        return {**bake, "xm_ratio": torch.tensor([self.ratio * share])}

    def kv_slots(self) -> dict[str, Tensor]:
        """Return xm_q `(E, d)`, xm_k `(d, M + 1)` and xm_v `(M + 1, E)`: the KV bake."""
        kv = kv_bake(self.scale * self.tokens, self.weights)
        return {"xm_q": kv.w_q, "xm_k": kv.keys[0], "xm_v": kv.values[0] @ kv.w_o}

    def full_slots(self) -> dict[str, Tensor]:
        """Return xm_q `(E, M)`, xm_k `(M, M + 1)` and xm_v `(M + 1, E)`: the full bake."""
        full = full_bake(self.scale * self.tokens, self.weights)
        count = len(self.tokens)
        return {"xm_q": full.qk[:, :count], "xm_k": torch.eye(count, count + 1), "xm_v": full.vo}
