"""The last block of a ViT, for the class token alone: nothing else of what it gives is read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def shorten(visual: Any) -> None:
    """Let a ViT's last block compute its class token alone, where the tower pools by it.

    Of the other tokens only keys and values are needed: 2 D^2 of the 12 D^2 multiplications that a
    token of width D takes in a block. The cells do not come from these tokens (see
    `edgeclip.cells`).

    Args:
        visual: A tower whose blocks are known; its last block is replaced, unless it is one whose
            attention norms or scales more than torch's own does.
    """
    blocks = visual.transformer.resblocks
    if visual.pool_type == "tok" and isinstance(blocks[-1].attn, nn.MultiheadAttention):
        blocks[-1] = LastBlock(blocks[-1])


class LastBlock(nn.Module):
    """A block whose attention has one query. Its parts keep their names.

    Args:
        block: Of open_clip, batch first.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ls_1 = block.ln_1, _OneQuery(block.attn), block.ls_1
        self.ln_2, self.mlp, self.ls_2 = block.ln_2, block.mlp, block.ls_2

    def forward(self, tokens: Tensor, **_mask: None) -> Tensor:
        """Return the class token `(B, 1, D)` of tokens `(B, N, D)`, the class token first."""
        x = tokens[:, :1] + self.ls_1(self.attn(self.ln_1(tokens)))
        shortened: Tensor = x + self.ls_2(self.mlp(self.ln_2(x)))
        return shortened


class _OneQuery(nn.Module):
    """Self-attention that is asked by the first token only.

    Args:
        attention: With one matrix for queries, keys and values.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        width = attention.embed_dim
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        self.query = _linear(weight[:width], bias[:width])
        self.key_value = _linear(weight[width:], bias[width:])
        self.out_proj, self.heads = attention.out_proj, attention.num_heads

    def forward(self, tokens: Tensor) -> Tensor:
        """Return `(B, 1, D)` of tokens `(B, N, D)`."""
        key, value = self.key_value(tokens).chunk(2, dim=-1)
        query, key, value = (self._by_head(x) for x in (self.query(tokens[:, :1]), key, value))
        found = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return out

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer.requires_grad_(False)
