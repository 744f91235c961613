"""Visual queries attend to fixed text tokens: the live formula and its two baked forms, pure.

    q  = x W_q + b_q  (N, d)      k = tau W_k  (M, d)      v = tau W_v + b_v  (M, d)
    x' = concat_heads(softmax([q k^T / sqrt(d_h), null]) [v ; 0]) W_o + b_o

tau `(M, E)` are the features of M sentences. The null slot, one more logit with the value 0, lets
a query attend to nothing. Both bakes put the tokens into constants, so that no text tower is left:

    KV     k^T / sqrt(d_h) and v are kept; W_q and W_o stay apart
    full   W_qk = W_q k^T / sqrt(d_h)  (D, H C)      W_vo = v W_o  (H C, D)      C = M, + 1 for null

In the full bake the hidden units of an MLP are the sentences. Relatives: Seputis et al., arXiv
2409.02958; Flamingo, NeurIPS 2022, arXiv 2204.14198. All functions keep gradients.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Attention(NamedTuple):
    """What is learned. With W_o and b_o zero the branch is exactly zero.

    Attributes:
        w_q: `(D, d)`, of the queries' width.
        b_q: `(d,)`.
        w_k: `(E, d)`.
        w_v: `(E, d)`.
        b_v: `(d,)`.
        w_o: `(d, D)`.
        b_o: `(D,)`.
    """

    w_q: Tensor
    b_q: Tensor
    w_k: Tensor
    w_v: Tensor
    b_v: Tensor
    w_o: Tensor
    b_o: Tensor


class KvBake(NamedTuple):
    """Keys and values of the sentences as constants; C = M, + 1 with a null slot.

    Attributes:
        w_q: `(D, d)`.
        b_q: `(d,)`.
        keys: `(H, d / H, C)`, divided by sqrt(d / H); the null slot is a column of zeros.
        key_bias: `(C,)`, the null slot's logit in its place, else 0.
        values: `(H, C, d / H)`; the null slot is a row of zeros.
        w_o: `(d, D)`.
        b_o: `(D,)`.
    """

    w_q: Tensor
    b_q: Tensor
    keys: Tensor
    key_bias: Tensor
    values: Tensor
    w_o: Tensor
    b_o: Tensor


class FullBake(NamedTuple):
    """Everything folded; C = M, + 1 with a null slot.

    Attributes:
        qk: `(D, H C)`.
        qk_bias: `(H C,)`.
        vo: `(H C, D)`.
        out_bias: `(D,)`.
        heads: H.
    """

    qk: Tensor
    qk_bias: Tensor
    vo: Tensor
    out_bias: Tensor
    heads: int


def attend(
    x: Tensor, tokens: Tensor, weights: Attention, *, heads: int = 1, null: float | None = 0.0
) -> Tensor:
    """Return the branch `(..., N, D)`, live: the text is looked at.

    Args:
        x: `(..., N, D)` queries, normalised already where a norm belongs before them.
        tokens: tau, `(M, E)`.
        weights: See there.
        heads: H, which divides d.
        null: Logit of the null slot; None is without one.
    """
    queries = _split(x @ weights.w_q + weights.b_q, heads)
    keys, values = (_split(side, heads) for side in _text_side(tokens, weights))
    logits = queries @ keys.transpose(-1, -2) / math.sqrt(keys.shape[-1])
    if null is not None:
        logits = torch.cat([logits, logits.new_full((*logits.shape[:-1], 1), null)], dim=-1)
        values = torch.cat([values, values.new_zeros(heads, 1, values.shape[-1])], dim=-2)
    mixed = torch.softmax(logits, dim=-1) @ values
    return mixed.transpose(-2, -3).flatten(-2) @ weights.w_o + weights.b_o


def kv_bake(
    tokens: Tensor, weights: Attention, *, heads: int = 1, null: float | None = 0.0
) -> KvBake:
    """Return keys and values as constants.

    Args:
        tokens: tau, `(M, E)`.
        weights: See there.
        heads: H, which divides d.
        null: Logit of the null slot; None is without one.
    """
    text, seen = _text_side(tokens, weights)
    keys = _split(text, heads).transpose(-1, -2) / math.sqrt(text.shape[-1] // heads)
    values, bias = _split(seen, heads), tokens.new_zeros(len(tokens))
    if null is not None:
        keys = torch.cat([keys, keys.new_zeros(heads, keys.shape[1], 1)], dim=2)
        values = torch.cat([values, values.new_zeros(heads, 1, values.shape[2])], dim=1)
        bias = torch.cat([bias, bias.new_full((1,), null)])
    return KvBake(weights.w_q, weights.b_q, keys, bias, values, weights.w_o, weights.b_o)


def full_bake(
    tokens: Tensor, weights: Attention, *, heads: int = 1, null: float | None = 0.0
) -> FullBake:
    """Return the branch as two products around a softmax a head.

    Args:
        tokens: tau, `(M, E)`.
        weights: See there; `fold_norm` first where the affine of a norm belongs to them.
        heads: H, which divides d.
        null: Logit of the null slot; None is without one.
    """
    kv = kv_bake(tokens, weights, heads=heads, null=null)
    queries = _split(weights.w_q, heads)  # (H, D, d / H)
    qk = (queries @ kv.keys).transpose(0, 1).flatten(1)
    bias = (_split(weights.b_q[None], heads) @ kv.keys).squeeze(1) + kv.key_bias
    outputs = weights.w_o.reshape(heads, -1, weights.w_o.shape[1])  # (H, d / H, D)
    return FullBake(qk, bias.flatten(), (kv.values @ outputs).flatten(0, 1), weights.b_o, heads)


def kv_attend(x: Tensor, kv: KvBake) -> Tensor:
    """Return the branch `(..., N, D)` of `(..., N, D)` queries, by the KV bake."""
    queries = _split(x @ kv.w_q + kv.b_q, len(kv.keys))
    mixed = torch.softmax(queries @ kv.keys + kv.key_bias, dim=-1) @ kv.values
    return mixed.transpose(-2, -3).flatten(-2) @ kv.w_o + kv.b_o


def full_attend(x: Tensor, full: FullBake) -> Tensor:
    """Return the branch `(..., N, D)` of `(..., N, D)` queries, by the full bake."""
    logits = _grouped(x @ full.qk + full.qk_bias, full.heads)
    return torch.softmax(logits, dim=-1).flatten(-2) @ full.vo + full.out_bias


def fold_norm(weights: Attention, scale: Tensor, shift: Tensor) -> Attention:
    """Return weights that take x where `weights` took scale x + shift: the affine of a LayerNorm.

    Args:
        weights: See there.
        scale: gamma, `(D,)`.
        shift: beta, `(D,)`.
    """
    return weights._replace(w_q=scale[:, None] * weights.w_q, b_q=weights.b_q + shift @ weights.w_q)


def _text_side(tokens: Tensor, weights: Attention) -> tuple[Tensor, Tensor]:
    return tokens @ weights.w_k, tokens @ weights.w_v + weights.b_v


def _split(x: Tensor, heads: int) -> Tensor:
    """(..., N, d) -> (..., H, N, d / H)."""
    return _grouped(x, heads).transpose(-2, -3)


def _grouped(x: Tensor, groups: int) -> Tensor:
    """(..., G n) -> (..., G, n)."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
