"""One adapter of a pack: what it learns, and the slots of the graph that it binds."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from edgeclip.adapters.stored import FusionClass


class Head(NamedTuple):
    """The class matrix on its way through the components.

    Attributes:
        weights: `(E, K)` float32.
        bias: `(K,)` float32.
    """

    weights: Tensor
    bias: Tensor


def turned(before: Head, move: Tensor) -> Head:
    """Return the class matrix with a move added, each column at the norm that it had before.

    Args:
        before: See `Head`.
        move: `(E, K)`.
    """
    weights = before.weights + move
    # Scaled by a quotient of norms, not normalised, so that a move of 0 changes no bit.
    scale = vector_norm(before.weights, dim=0) / vector_norm(weights, dim=0)
    return Head(torch.mul(weights, scale), before.bias)


class Component(nn.Module):
    """An adapter. At step 0, or at share 0, it changes nothing.

    A training-free method is a component without parameters: what it made of the support lies in
    buffers. `share` is the WiSE interpolation (Wortsman et al., CVPR 2022, arXiv 2109.01903),
    theta_0 + share (theta - theta_0): 0 the model before this component, 1 what was learned; a
    method may take shares beyond 1 where its own weight (GDA's alpha) has that meaning.

    Attributes:
        kind: Its name in packs, and on the command line.
        fusion: What it costs on the device.
        rate: Learning rate at a logit scale of 100; prompts have the recipe's `prompt_rate`.
        optimizer: What moves its parameters.
    """

    kind: ClassVar[str]
    fusion: ClassVar[FusionClass]
    rate: ClassVar[float] = 1e-3
    optimizer: ClassVar[Literal["adamw", "sgd"]] = "adamw"

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the slots it binds, with gradients; class_weights and class_bias excepted."""
        return {}

    def head(self, before: Head, share: float = 1.0) -> Head:  # noqa: ARG002
        """Return the class matrix after it, with gradients; `before` itself where it has no part.

        Args:
            before: After the components before it.
            share: In [0, 1].
        """
        return before

    @property
    def moves_head(self) -> bool:
        """Whether it has a part in the class matrix."""
        return type(self).head is not Component.head

    def penalty(self) -> Tensor:
        """Return its regulariser, `()`: what the loss gains for moving from the start."""
        return torch.zeros(())


class Frozen(Component):
    """A component that was learned before: its slots and its part of the class matrix, as stored.

    Args:
        kind: Of the component that was stored.
        slots: By name, as bound.
        moves: `class_weights` and `class_bias`: what it added to the matrix before it; or empty.
        fusion: Of the component that was stored.

    Attributes:
        moves: As given.
    """

    fusion: ClassVar[FusionClass] = "F0"

    def __init__(
        self, kind: str, slots: dict[str, Tensor], moves: dict[str, Tensor], fusion: FusionClass
    ) -> None:
        super().__init__()
        self.kind = kind  # type: ignore[misc]  # of the instance: one class stands for all kinds
        self.fusion = fusion  # type: ignore[misc]
        self._slots, self.moves = dict(slots), dict(moves)

    @property
    def moves_head(self) -> bool:
        """Whether there are moves."""
        return bool(self.moves)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the stored slots, whatever the share."""
        return dict(self._slots)

    def head(self, before: Head, share: float = 1.0) -> Head:  # noqa: ARG002
        """Return the matrix with the stored moves added."""
        moves = self.moves
        return Head(
            before.weights + moves["class_weights"] if "class_weights" in moves else before.weights,
            before.bias + moves["class_bias"] if "class_bias" in moves else before.bias,
        )
