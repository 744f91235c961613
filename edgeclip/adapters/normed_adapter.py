"""The visual adapter with a LayerNorm before it: bake-only, and bound to the norm of its input.

    f' = f + |f|/c r (ReLU(LN(x) W_1 + b_1) W_2 + b_2)        x = c f/|f|

c is the norm that the pack states (`delta.mlp_ln.norm`): unlike the bias-free bottleneck, this one
is not homogeneous, and features of another length would get another shift (invariant 4).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import layer_norm

from edgeclip.adapters.block import drawn
from edgeclip.adapters.component import Component
from edgeclip.adapters.head_graph import unit
from edgeclip.adapters.starts import refuse_dead_start
from edgeclip.adapters.stored import FusionClass
from edgeclip.contract.deltas import DELTA_PREFIX
from edgeclip.errors import PackError
from edgeclip.towers import FrozenTower

INPUT_NORM = 1.0  # of what is trained here: unit features, as the head's other adapters read
LN_EPS = 1e-5
_PREFIX = f"{DELTA_PREFIX}mlp_ln."
_PARTS = ("gain", "shift", "down", "down_bias", "up", "up_bias", "norm")
_CLOSE = 1e-3  # of the stated norm


def is_mlp_ln_key(name: str) -> bool:
    """Return whether a `delta.` tensor of this name belongs to this adapter."""
    return name.startswith(_PREFIX)


class NormedAdapter(Component):
    """A(x) = r (ReLU(LN(x) W_1 + b_1) W_2 + b_2), W_2 = b_2 = 0 at the start.

    CLIP-Adapter (Gao et al., IJCV 2024, arXiv 2110.04544) with the LayerNorm and the biases of
    Houlsby et al. (ICML 2019, arXiv 1902.00751). No slot takes it.

    Attributes:
        gain: `(E,)`, of the LayerNorm.
        shift: `(E,)`.
        down: `(E, H)`.
        down_bias: `(H,)`.
        up: `(H, E)`, zero at the start.
        up_bias: `(E,)`, zero at the start.
    """

    kind: ClassVar[str] = "mlp_ln"
    fusion: ClassVar[FusionClass] = "F1"

    def __init__(self, embed_dim: int, *, reduction: int, ratio: float) -> None:
        """Start the adapter at the identity.

        Args:
            embed_dim: E.
            reduction: Of the hidden width, from 1 to E.
            ratio: r, in (0, 1].

        Raises:
            ValueError: Out of range.
        """
        super().__init__()
        refuse_dead_start(zero_up=True, zero_gate=ratio == 0)
        if not 0 < ratio <= 1 or not 1 <= reduction <= embed_dim:
            raise ValueError(f"ratio {ratio} or reduction {reduction} is out of range")
        hidden = embed_dim // reduction
        self.gain, self.shift = nn.Parameter(torch.ones(embed_dim)), _zeros(embed_dim)
        self.down, self.down_bias = drawn(embed_dim, hidden), _zeros(hidden)
        self.up, self.up_bias = _zeros(hidden, embed_dim), _zeros(embed_dim)
        self.ratio = ratio

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the tensors under `delta.mlp_ln.`; ratio and share are folded into W_2 and b_2."""
        scale = self.ratio * share
        parts = {
            "gain": self.gain, "shift": self.shift, "down": self.down,
            "down_bias": self.down_bias, "up": scale * self.up, "up_bias": scale * self.up_bias,
            "norm": torch.tensor([INPUT_NORM]),
        }  # fmt: skip
        return {_PREFIX + name: part for name, part in parts.items()}


def normed_shift(x: Tensor, slots: Mapping[str, Tensor]) -> Tensor:
    """Return A(x), `(B, E)`.

    Args:
        x: `(B, E)`, of the norm that the pack states.
        slots: As bound.

    Raises:
        ValueError: The input has another norm.
    """
    gain, shift, down, down_bias, up, up_bias = (slots[_PREFIX + name] for name in _PARTS[:-1])
    stated, norms = float(slots[f"{_PREFIX}norm"]), vector_norm(x.detach(), dim=1)
    if bool(((norms - stated).abs() > _CLOSE * stated).any()):
        raise ValueError(
            f"mlp_ln states inputs of norm {stated:g}, and these reach from {float(norms.min()):g}"
            f" to {float(norms.max()):g}: scale them before"
        )
    normed = layer_norm(x, x.shape[-1:], gain, shift, LN_EPS)
    return torch.relu(normed @ down + down_bias) @ up + up_bias


def adapted(f: Tensor, slots: Mapping[str, Tensor]) -> Tensor:
    """Return f', `(B, E)`, of features `(B, E)` of any length but 0.

    Raises:
        ValueError: A feature is 0, and has no direction.
    """
    stated = slots[f"{_PREFIX}norm"]
    direction, norm = unit(f)
    moved: Tensor = f + norm / stated * normed_shift(direction * stated, slots)
    return moved


class _NormedVisual(nn.Module):
    """A tower whose z is moved so that its projection is f'.

    With the pseudo-inverse P+ of P, (z + d P+) P = z P + d for any d where P has full rank; so the
    encoder keeps its projection, and no part of the exporter need know of the adapter.
    """

    projection: Tensor
    back: Tensor
    ones: Tensor
    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor
    norm: Tensor

    def __init__(self, tower: FrozenTower, slots: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.visual = tower.visual
        projection = tower.projection.detach()
        back = torch.linalg.pinv(projection.double()).to(projection)
        ones = torch.ones(len(back), 1).to(projection)
        for name, value in {"projection": projection.clone(), "back": back, "ones": ones}.items():
            self.register_buffer(name, value)
        self.layer_norm = nn.LayerNorm(len(back), LN_EPS).to(projection)
        for name, own in {"gain": self.layer_norm.weight, "shift": self.layer_norm.bias}.items():
            own.data.copy_(slots[_PREFIX + name].detach())
        for name in _PARTS[2:]:
            self.register_buffer(name, slots[_PREFIX + name].detach().to(projection).clone())

    def forward(self, pixels: Tensor) -> Tensor:
        """Return z' `(B, D)` of normalised pixels `(B, 3, S, S)`."""
        z: Tensor = self.visual(pixels)
        f = z @ self.projection
        length = ((f * f) @ self.ones).sqrt() / self.norm  # a sum would be cast in half precision
        hidden = torch.relu(self.layer_norm(f / length) @ self.down + self.down_bias)
        moved: Tensor = z + (length * (hidden @ self.up + self.up_bias)) @ self.back
        return moved


def tower_with_mlp_ln(tower: FrozenTower, slots: Mapping[str, Tensor]) -> FrozenTower:
    """Return a copy of a tower with the adapter behind its projection.

    Args:
        tower: Frozen; it is not written to.
        slots: As bound.

    Raises:
        PackError: A tensor is missing, or does not fit the tower.
    """
    width, embed_dim = tower.projection.shape
    hidden = slots[f"{_PREFIX}up"].shape[0] if f"{_PREFIX}up" in slots else 0
    sizes = [(embed_dim,), (embed_dim,), (embed_dim, hidden), (hidden,), (hidden, embed_dim)]
    expected = dict(zip(_PARTS, [*sizes, (embed_dim,), (1,)], strict=True))
    found = {name.removeprefix(_PREFIX): tuple(value.shape) for name, value in slots.items()}
    if found != expected or width < embed_dim:
        raise PackError(
            f"the tensors under {_PREFIX} do not fit an encoder of {width} -> {embed_dim}: use the"
            " pack's encoder"
        )
    copied = copy.deepcopy(tower)
    copied.visual = _NormedVisual(copied, slots)
    return copied.eval()


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))
