"""Text adapters: a bottleneck behind the text features, or behind the last text blocks.

Both end in the class matrix, so that they add nothing to what a device runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize

from edgeclip.adapters.block import BlockLayer, BlockSettings
from edgeclip.adapters.bottleneck import Bottleneck
from edgeclip.adapters.component import Component, Head, turned
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.threads import one_thread
from edgeclip.text_tower import TextTower


class TextAdapter(Bottleneck):
    """t'_c = t_c + ratio A(t_c), one bottleneck for all columns, then at t_c's norm.

    The text side of CLIP-Adapter (Gao et al., IJCV 2024, arXiv 2110.04544). t_c is the column as
    the components before this one left it.
    """

    kind: ClassVar[str] = "text"
    fusion: ClassVar[FusionClass] = "F0"

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix with the branch of each column added to it."""
        return turned(before, share * self.ratio * self.branch(before.weights.T).T)


class TextBlockAdapters(Component):
    """h'_l = h_l + s_l (ReLU(LN(h_l) W_d + b_d) W_u + b_u) behind the last k text blocks.

    Houlsby et al., ICML 2019, arXiv 1902.00751, in the text tower. The class matrix moves as the
    features of its sentences do: w_c + T_c - T_c(start), at the norm of w_c, with T_c the unit mean
    of the unit features of the column's sentences. What lies below the adapters is computed once.

    Attributes:
        layers: Of the last k blocks, in order.
        start: T of the frozen tower, `(K, E)`, unit norm.
    """

    kind: ClassVar[str] = "text_block"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 5e-4
    start: Tensor

    def __init__(
        self,
        tower: TextTower,
        columns: Sequence[Sequence[str]],
        settings: BlockSettings | None = None,
    ) -> None:
        """Start the adapters at the identity.

        Args:
            tower: Frozen.
            columns: The sentences of each of K columns.
            settings: k is at most the tower's number of blocks.

        Raises:
            ValueError: The settings could not be learned.
            DataError: A sentence is longer than the tower reads.
        """
        super().__init__()
        settings = settings or BlockSettings()
        settings.check()
        last = min(settings.last, tower.blocks)
        self._tower, self._first = tower, tower.blocks - last
        ends = [0, *accumulate(len(sentences) for sentences in columns)]
        self._spans = list(pairwise(ends))
        self._layout = tower.laid_out([tower.read(s) for column in columns for s in column])
        self.layers = nn.ModuleList(BlockLayer(tower.width, settings) for _ in range(last))
        with torch.no_grad(), one_thread():
            self._below = tower.lower(self._layout, self._first)
        self.register_buffer("start", self.features().detach().clone())

    def features(self) -> Tensor:
        """Return T `(K, E)`, unit norm, with gradients."""
        with torch.enable_grad(), one_thread():  # one path, so that step 0 is the start's bits
            raw = self._tower.upper(self._below, self._layout, first=self._first, after=self._add)
            unit = normalize(raw, dim=1)
            means = [unit[begin:end].mean(0) for begin, end in self._spans]
            return normalize(torch.stack(means), dim=1)

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved as the features moved, each column at the norm it had before."""
        found = self.features()
        found = found if torch.is_grad_enabled() else found.detach()
        return turned(before, share * (found - self.start).T)

    def _add(self, index: int, hidden: Tensor) -> Tensor:
        layer = cast(BlockLayer, self.layers[index - self._first])
        down, down_bias, up, up_bias = layer.folded(1.0)
        normed = layer_norm(hidden, hidden.shape[-1:])
        return hidden + torch.relu(normed @ down + down_bias) @ up + up_bias
