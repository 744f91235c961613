"""LP++: a linear probe beside the class matrix, fitted with step sizes that need no tuning."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.linalg import eigvalsh

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support

STEPS = 300  # the paper's

_CURVATURE = 0.5  # the Hessian of log-sum-exp is at most half the identity (Boehning, 1992)


class LinearProbe(Component):
    """logits = f^ (w_c + alpha_c t_c), found by `make_linear_probe`.

    LP++, Huang et al., CVPR 2024, arXiv 2404.02285. Folded into the class matrix; `share` leads
    from the class matrix of the start to this one.

    Args:
        start: The class matrix that it moves.
        weights: `(E, K)` float64, w.
        scales: `(K,)` float64, alpha.
    """

    kind: ClassVar[str] = "lpplus"  # a + joins the names of methods
    fusion: ClassVar[FusionClass] = "F0"
    move: Tensor

    def __init__(self, start: ZeroShot, weights: Tensor, scales: Tensor) -> None:
        super().__init__()
        text, scale = start.weights.double(), start.logit_scale
        self.register_buffer("move", ((weights + (scales - scale) * text) / scale).float())

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved by the share."""
        return Head(before.weights + share * self.move, before.bias)


def make_linear_probe(support: Support, *, steps: int = STEPS) -> LinearProbe:
    """Return the probe after some alternating steps from zero-shot; the loss never rises.

    Each block, w and alpha, takes a step of one over its Lipschitz constant: half the largest
    eigenvalue of the balanced second moment of f^ for w, and half the balanced mean of
    (f^ t_c)^2 for alpha_c. Classes count alike, whatever their number of images.

    Args:
        support: Images of two classes or more.
        steps: Of both blocks.

    Raises:
        ValueError: Fewer than no steps.
    """
    if steps < 0:
        raise ValueError(f"{steps} steps: must not be negative")
    start, features = support.start, support.exact
    own = start.columns[None] == support.classes[:, None]
    weights = 1 / support.counts[support.classes].double() / len(support.present)
    text = start.weights.double()
    cosines = features @ text
    step = 1 / (_CURVATURE * float(eigvalsh((features.T * weights) @ features)[-1]))
    steps_of_scales = 1 / (_CURVATURE * (weights[:, None] * cosines.square()).sum(dim=0)).clamp(
        min=1e-12
    )
    probe, scales = torch.zeros_like(text), torch.full_like(text[0], start.logit_scale)
    for _ in range(steps):
        gap = _gap(features @ probe + scales * cosines + start.bias, own, weights)
        probe = probe + step * (features.T @ gap)
        gap = _gap(features @ probe + scales * cosines + start.bias, own, weights)
        scales = scales + steps_of_scales * (gap * cosines).sum(dim=0)
    return LinearProbe(start, probe, scales)


def _gap(logits: Tensor, own: Tensor, weights: Tensor) -> Tensor:
    """Return weight times (what each column should have - what it has), `(n, K)`."""
    wanted = torch.softmax(logits.masked_fill(~own, -torch.inf), dim=1)
    return weights[:, None] * (wanted - torch.softmax(logits, dim=1))
