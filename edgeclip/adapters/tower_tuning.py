"""Methods that change few numbers of the tower's own weights: LayerNorm tuning, LoRA, CLIP-SVD.

None fits a slot. Their changes are merged into a copy of the tower, so that they add no node to the
graph, and ask for a graph and an engine of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.tower_deltas import PREFIX, SingularVectors

_NORMS = ("ln_pre", "ln_1", "ln_2", "ln_post")
_QKV = ".attn.in_proj_weight"
_MATRICES = {_QKV: 3, ".attn.out_proj.weight": 1, ".mlp.c_fc.weight": 1, ".mlp.c_proj.weight": 1}
"""How many matrices each parameter holds, one above the other."""


class _Tuned(Component):
    """A component of deltas, one a parameter of the tower."""

    def _register(self, values: Mapping[str, nn.Parameter]) -> None:
        if not values:
            raise ValueError(f"{self.kind}: the tower has no parameter of this kind")
        # Module names may hold no dot.
        self._names = {name: name.replace(".", "/") for name in values}
        self.values = nn.ParameterDict({self._names[n]: value for n, value in values.items()})

    def _value(self, name: str) -> Tensor:
        value: Tensor = self.values[self._names[name]]
        return value


class NormTuning(_Tuned):
    """gamma and beta of the tower's LayerNorms: 2SFS's first stage, CVPR 2025, arXiv 2503.11609.

    Args:
        weights: Of the tower's part that is run, by name.

    Raises:
        ValueError: There is no LayerNorm among them.
    """

    kind: ClassVar[str] = "ln"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 1e-4

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        norms = {n: w for n, w in weights.items() if n.split(".")[-2:-1] in ([k] for k in _NORMS)}
        self._register({name: nn.Parameter(torch.zeros_like(w)) for name, w in norms.items()})

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the deltas, scaled by the share."""
        return {PREFIX + name: share * self._value(name) for name in self._names}


class LowRank(_Tuned):
    """W + (alpha / sqrt(r)) B A on q, k and v: CLIP-LoRA, CVPRW 2024, arXiv 2405.18541.

    q, k and v are three matrices of `in_proj_weight`, each with an A and a B of its own. B is zero
    at the start. A step leaves out some of the inputs of A, the same for the whole batch.

    Args:
        weights: Of the tower's part that is run, by name.
        rank: r.
        alpha: See the formula.
        left_out: Part of the inputs left out in training.

    Raises:
        ValueError: There is no attention among them, or a number is out of range.
    """

    kind: ClassVar[str] = "lora"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 2e-4

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        *,
        rank: int = 2,
        alpha: float = 1.0,
        left_out: float = 0.25,
    ) -> None:
        super().__init__()
        if rank < 1 or not alpha > 0 or not 0 <= left_out < 1:
            raise ValueError(f"rank {rank}, alpha {alpha} or left_out {left_out} is out of range")
        self._scale, self._left_out = alpha / rank**0.5, left_out
        own: dict[str, nn.Parameter] = {}
        for name, weight in weights.items():
            if name.endswith(_QKV):
                down = torch.empty(3, rank, weight.shape[1])
                for matrix in down:
                    nn.init.kaiming_uniform_(matrix, a=5**0.5)
                own[f"{name}.lora_a"] = nn.Parameter(down)
                own[f"{name}.lora_b"] = nn.Parameter(torch.zeros(3, weight.shape[1], rank))
        self._register(own)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return A and B of each attention; scale and share are folded into B."""
        found = {}
        for name in self._names:
            value = self._value(name)
            if name.endswith(".lora_b"):
                found[PREFIX + name] = share * self._scale * value
            else:
                kept = dropout(value.new_ones(value.shape[-1]), self._left_out, self.training)
                found[PREFIX + name] = kept * value
        return found


class SingularValues(_Tuned):
    """U diag(s + ds) V^T of the blocks' matrices, ds alone is learned: CLIP-SVD, arXiv 2509.03740.

    Args:
        weights: Of the tower's part that is run, by name.
        vectors: Of the same weights, where they are known.

    Raises:
        ValueError: There is no block among them.
    """

    kind: ClassVar[str] = "svd"
    fusion: ClassVar[FusionClass] = "F0"
    rate: ClassVar[float] = 1e-3

    def __init__(
        self, weights: Mapping[str, Tensor], vectors: SingularVectors | None = None
    ) -> None:
        super().__init__()
        known = vectors or SingularVectors(weights)
        self._vectors: dict[str, tuple[Tensor, Tensor]] = {}
        for name in weights:
            for ending, matrices in _MATRICES.items():
                if name.endswith(ending):
                    self._vectors[name] = known.of(name, matrices)
        ranks = {name: left.shape[::2] for name, (left, _) in self._vectors.items()}
        self._register({name: nn.Parameter(torch.zeros(rank)) for name, rank in ranks.items()})

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the deltas: of the singular values to store, of the weights while training.

        The decomposition is that of frozen weights: training keeps it instead of repeating it.
        """
        if not self.training:
            return {f"{PREFIX}{n}.singular": share * self._value(n) for n in self._names}
        found = {}
        for name, (left, right) in self._vectors.items():
            delta = (left * (share * self._value(name))[:, None]) @ right
            found[PREFIX + name] = delta.flatten(0, 1)
        return found
