"""Moves of the projection: a matrix after it (RLA), and the projection itself (ProLIP)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass

_LEAST_ANCHOR, _MOST_ANCHOR = 1e-3, 1.0


def anchor_of(images_a_class: float) -> float:
    """Return lambda = 1 / images, in [1e-3, 1]: the pull to the start for few images.

    Args:
        images_a_class: Mean over the classes, > 0; views of one image count once.

    Raises:
        ValueError: Not a positive number.
    """
    if not images_a_class > 0:
        raise ValueError(f"{images_a_class} images a class: must be positive")
    return min(max(1 / images_a_class, _LEAST_ANCHOR), _MOST_ANCHOR)


class LinearAdapter(Component):
    """f' = f A^T with A = I + delta, and lambda |A - I|^2 (squared Frobenius) in the loss.

    The regularised linear adapter (RLA) of Fahes et al., arXiv 2410.05270. Folded into the
    projection, f' = z (P + P delta^T): nothing is added to the graph.

    Attributes:
        delta: `(E, E)`, A - I, zero at the start.
    """

    kind: ClassVar[str] = "linear"
    fusion: ClassVar[FusionClass] = "F0"
    projection: Tensor

    def __init__(self, projection: Tensor, *, anchor: float) -> None:
        """Start at A = I.

        Args:
            projection: `(D, E)` float32, P of the encoder.
            anchor: lambda, see `anchor_of`.

        Raises:
            ValueError: No matrix, or a negative anchor.
        """
        super().__init__()
        _check(projection, anchor)
        self.register_buffer("projection", projection.detach().clone())
        width = projection.shape[1]
        self.delta = nn.Parameter(torch.zeros(width, width, dtype=projection.dtype))
        self.anchor = anchor

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return projection_delta = P (A^T - I) times the share."""
        return {"projection_delta": share * (self.projection @ self.delta.T)}

    def penalty(self) -> Tensor:
        """Return lambda |A - I|^2."""
        return self.anchor * self.delta.square().sum()


class ProjectionAdapter(Component):
    """The projection itself trains: f' = z (P + delta), lambda |delta|^2 in the loss.

    ProLIP, Fahes et al., arXiv 2410.05270.

    Attributes:
        delta: `(D, E)`, zero at the start.
    """

    kind: ClassVar[str] = "proj"
    fusion: ClassVar[FusionClass] = "F0"

    def __init__(self, projection: Tensor, *, anchor: float) -> None:
        """Start at P; arguments as `LinearAdapter`."""
        super().__init__()
        _check(projection, anchor)
        self.delta = nn.Parameter(torch.zeros_like(projection))
        self.anchor = anchor

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return projection_delta times the share."""
        return {"projection_delta": share * self.delta}

    def penalty(self) -> Tensor:
        """Return lambda |delta|^2."""
        return self.anchor * self.delta.square().sum()


def _check(projection: Tensor, anchor: float) -> None:
    if projection.ndim != 2 or not 0 <= anchor < float("inf"):
        shape = tuple(projection.shape)
        raise ValueError(f"projection {shape} must be (D, E), anchor {anchor} not negative")
