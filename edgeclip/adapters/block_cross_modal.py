"""Cross-modal blocks: behind each of the last blocks, visual tokens attend to text tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from edgeclip.adapters.block import behind_zeros, drawn
from edgeclip.adapters.component import Component
from edgeclip.adapters.cross_modal import Attention, attend, fold_norm, full_bake
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.text_tokens import MOST_TOKENS, TextTokens
from edgeclip.contract.slots import MOST_CROSS_MODAL_BLOCKS, cross_modal_blocks


@dataclass(frozen=True)
class CrossModalSettings:
    """How cross-modal blocks are built.

    Attributes:
        last: k, how many blocks from the end have one, or all of them in a shorter tower.
        attention: d, width of queries, keys and values.
        heads: H; the slots hold one head, more would need a graph of their own.
        null: beta_null, logit of attending to nothing; fixed. None is without a null slot.
    """

    last: int = 4
    attention: int = 32
    heads: int = 1
    null: float | None = 0.0

    def check(self) -> None:
        """Refuse what no slot expresses.

        Raises:
            ValueError: A number is out of range.
        """
        if not 1 <= self.last <= MOST_CROSS_MODAL_BLOCKS:
            raise ValueError(f"last {self.last} is not in 1..{MOST_CROSS_MODAL_BLOCKS}")
        if self.attention < 1:
            raise ValueError(f"attention {self.attention} is below 1")
        if self.heads != 1:
            raise ValueError(f"heads {self.heads}: the cross-modal slots hold one head, use 1")


class CrossModalLayer(nn.Module):
    """The adapter behind one block.

    Attributes:
        gain: `(D,)`, of the LayerNorm.
        shift: `(D,)`.
        w_q: `(D, d)`, with b_q `(d,)`.
        w_k: `(E, d)`; a bias would move all logits of the text alike.
        w_v: `(E, d)`, with b_v `(d,)`.
        w_o: `(d, D)`, with b_o `(D,)`; both zero at the start.
    """

    def __init__(self, width: int, embed_dim: int, attention: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.w_q, self.b_q = drawn(width, attention), nn.Parameter(torch.zeros(attention))
        self.w_k = drawn(embed_dim, attention)
        self.w_v, self.b_v = drawn(embed_dim, attention), nn.Parameter(torch.zeros(attention))
        self.w_o = nn.Parameter(torch.zeros(attention, width))
        self.b_o = nn.Parameter(torch.zeros(width))

    @property
    def weights(self) -> Attention:
        """The attention without the norm."""
        return Attention(self.w_q, self.b_q, self.w_k, self.w_v, self.b_v, self.w_o, self.b_o)

    def live(self, h: Tensor, tokens: Tensor, null: float | None) -> Tensor:
        """Return the branch `(B, N, D)` of a block's output, with the text looked at."""
        normed = layer_norm(h, h.shape[-1:], self.gain, self.shift)
        return attend(normed, tokens, self.weights, null=null)

    def folded(self, tokens: Tensor, null: float | None) -> tuple[Tensor, ...]:
        """Return bx_qk, bx_qk_bias, bx_vo and bx_out_bias behind a norm without affine."""
        return full_bake(tokens, fold_norm(self.weights, self.gain, self.shift), null=null)[:4]


class CrossModalBlocks(Component):
    """h' = h + softmax([q k^T / sqrt(d), beta_null]) [v ; 0] W_o + b_o behind the last k blocks.

        q = LN(h) W_q + b_q      k = tau W_k      v = tau W_v + b_v

    tau `(M, E)` are the unit text features of M prompts times sqrt(E), so that their entries are of
    the size that the weights' start expects. The null slot lets tokens of foliage attend to
    nothing. W_o and b_o are zero at the start and there is no further gate: step 0 is exactly the
    encoder. Training, pack and device evaluate the full bake of `cross_modal`: an MLP whose hidden
    units are the prompts. Relatives: Flamingo, NeurIPS 2022, arXiv 2204.14198; Seputis et al.,
    arXiv 2409.02958.

    Args:
        width: D.
        blocks: L, of the tower.
        text: The tokens.
        settings: See there.

    Attributes:
        text: The tokens, and the hash of the prompts they were made of.
        layers: Of the last k blocks, in order.

    Raises:
        ValueError: The settings fit no slot, or there are too many tokens.
    """

    kind: ClassVar[str] = "block_xmodal"
    fusion: ClassVar[FusionClass] = "F2"
    rate: ClassVar[float] = 5e-4
    tokens: Tensor

    def __init__(
        self, width: int, blocks: int, text: TextTokens, settings: CrossModalSettings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings or CrossModalSettings()
        self.settings.check()
        count, embed_dim = text.features.shape
        if not 1 <= count <= MOST_TOKENS:
            raise ValueError(f"{count} text tokens: the cross-modal slots hold 1..{MOST_TOKENS}")
        self.text = text
        self.last = min(self.settings.last, blocks)
        self.layers = nn.ModuleList(
            CrossModalLayer(width, embed_dim, self.settings.attention) for _ in range(self.last)
        )
        self.register_buffer("tokens", embed_dim**0.5 * text.features)
        self._rows = cross_modal_blocks(blocks)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return bx_*; blocks without an adapter are zero rows; the share scales the branch."""
        qk, qk_bias, vo, out_bias = (
            behind_zeros(parts, self._rows)
            for parts in zip(
                *(
                    cast(CrossModalLayer, layer).folded(self.tokens, self.settings.null)
                    for layer in self.layers
                ),
                strict=True,
            )
        )
        return {
            "bx_qk": qk,
            "bx_qk_bias": qk_bias,
            "bx_vo": share * vo,
            "bx_out_bias": share * out_bias,
        }
