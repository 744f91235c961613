"""Block adapters: a small bottleneck behind each of the last transformer blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from edgeclip.adapters.component import Component
from edgeclip.adapters.starts import refuse_dead_start
from edgeclip.adapters.stored import FusionClass
from edgeclip.contract.slots import MOST_ADAPTED_BLOCKS, adapted_blocks

LEARNED_FROM = 1.0  # a learned scale starts here, beside a zero up-projection


@dataclass(frozen=True)
class BlockSettings:
    """How block adapters are built.

    Attributes:
        last: k, how many blocks from the end have one, or all of them in a shorter tower.
        hidden: h.
        scale: s_l, fixed; None is learned, from 1.
        dropout: Part of the hidden units that a training step leaves out.
        activation: `relu`; the slots compute nothing else.
        trailing_relu: Refused: see `starts`.
    """

    last: int = 4
    hidden: int = 32
    scale: float | None = 0.1
    dropout: float = 0.1
    activation: str = "relu"
    trailing_relu: bool = False

    def check(self) -> None:
        """Refuse what could not be learned, or what no slot expresses.

        Raises:
            ValueError: A number is out of range, the start is dead, or the activation is another.
        """
        if not 1 <= self.last <= MOST_ADAPTED_BLOCKS:
            raise ValueError(f"last {self.last} is not in 1..{MOST_ADAPTED_BLOCKS}")
        if self.hidden < 1:
            raise ValueError(f"hidden {self.hidden} is below 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} is not in [0, 1)")
        if self.activation != "relu":
            raise ValueError(
                f"activation {self.activation!r} does not fit the block slots, which compute a"
                " ReLU: use relu"
            )
        refuse_dead_start(zero_up=True, zero_gate=self.scale == 0, trailing_relu=self.trailing_relu)


class BlockLayer(nn.Module):
    """The adapter behind one block; its branch is s (ReLU(LN(h) down + down_bias) up + up_bias).

    Attributes:
        gain: `(D,)`, of the LayerNorm.
        shift: `(D,)`.
        down: `(D, h)`.
        down_bias: `(h,)`.
        up: `(h, D)`, zero at the start.
        up_bias: `(D,)`, zero at the start.
    """

    scale: Tensor

    def __init__(self, width: int, settings: BlockSettings) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.down = drawn(width, settings.hidden)
        self.down_bias = nn.Parameter(torch.zeros(settings.hidden))
        self.up = nn.Parameter(torch.zeros(settings.hidden, width))
        self.up_bias = nn.Parameter(torch.zeros(width))
        if settings.scale is None:
            self.scale = nn.Parameter(torch.tensor(LEARNED_FROM))
        else:
            self.register_buffer("scale", torch.tensor(settings.scale))
        self._dropout = settings.dropout

    def folded(self, share: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return down, down_bias, up and up_bias behind a norm without affine, scale included.

        Args:
            share: Of the branch.
        """
        scale = share * self.scale
        # A pack's tensors serve a whole batch, so a step leaves out the same units in all of it.
        kept = dropout(self.up.new_ones(len(self.up), 1), self._dropout, self.training)
        down_bias = self.down_bias + self.shift @ self.down
        return (
            self.gain[:, None] * self.down,
            down_bias,
            scale * (kept * self.up),
            scale * self.up_bias,
        )


class BlockAdapters(Component):
    """h'_l = h_l + s_l (ReLU(LN(h_l) W_d + b_d) W_u + b_u) behind the last k blocks.

    Houlsby et al., ICML 2019, arXiv 1902.00751, with one adapter a block, for the class token and
    the patches alike. W_u and b_u are zero at the start, so that step 0 is exactly the encoder.

    Args:
        width: D.
        blocks: L, of the tower.
        settings: See there.

    Attributes:
        layers: Of the last k blocks, in order.

    Raises:
        ValueError: The settings could not be learned or bound.
    """

    kind: ClassVar[str] = "block"
    fusion: ClassVar[FusionClass] = "F2"
    rate: ClassVar[float] = 5e-4

    def __init__(self, width: int, blocks: int, settings: BlockSettings | None = None) -> None:
        super().__init__()
        settings = settings or BlockSettings()
        settings.check()
        self.last = min(settings.last, blocks)
        self.layers = nn.ModuleList(BlockLayer(width, settings) for _ in range(self.last))
        self._rows = adapted_blocks(blocks)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return ba_*; blocks without an adapter are zero rows; the share scales the branch."""
        folded = [cast(BlockLayer, layer).folded(share) for layer in self.layers]
        names = ("ba_down", "ba_down_bias", "ba_up", "ba_up_bias")
        columns = zip(*folded, strict=True)
        return {
            name: behind_zeros(parts, self._rows)
            for name, parts in zip(names, columns, strict=True)
        }


def drawn(rows: int, columns: int) -> nn.Parameter:
    """Return a `(rows, columns)` matrix in [in, out] with the spread that nn.Linear starts with."""
    matrix = torch.empty(rows, columns)
    nn.init.kaiming_uniform_(matrix.T, a=5**0.5)
    return nn.Parameter(matrix)


def behind_zeros(parts: tuple[Tensor, ...], rows: int) -> Tensor:
    """Return the parts stacked, `(rows, ...)`, zeros before them."""
    stacked = torch.stack(parts)
    before = stacked.new_zeros(rows - len(parts), *stacked.shape[1:])
    return torch.cat([before, stacked])
