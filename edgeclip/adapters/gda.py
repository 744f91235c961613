"""Gaussian discriminant analysis in closed form, added to the class matrix."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.linalg import cholesky

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support, class_means

SHARES = (0.0, 0.1, 0.3, 1.0, 3.0)
"""What the weight (alpha) may be, at LDA scale; chosen on left-out locations."""

_LEAST_SPREAD = 1e-9  # of the trace; below, all images of a class are one


class Discriminant(NamedTuple):
    """Linear scores of classes, x W + b.

    Attributes:
        weights: `(E, C)` float64.
        bias: `(C,)` float64.
    """

    weights: Tensor
    bias: Tensor


class Gda(Component):
    """logits += alpha (f^ W + b), W = mu S^-1, b_c = log pi_c - mu_c^T S^-1 mu_c / 2.

    Wang et al., ICLR 2024, arXiv 2402.04087, at the scale of linear discriminant analysis, so
    that alpha near 1 is meaningful. `share` is alpha. Folded into the class matrix: nothing is
    added to the graph.

    Args:
        start: The class matrix that it adds to.
        discriminant: Of the classes; each column of a class gets its score.
    """

    kind: ClassVar[str] = "gda"
    fusion: ClassVar[FusionClass] = "F0"
    shares: ClassVar[tuple[float, ...]] = SHARES
    weights: Tensor
    bias: Tensor

    def __init__(self, start: ZeroShot, discriminant: Discriminant) -> None:
        super().__init__()
        columns = discriminant.weights[:, start.columns] / start.logit_scale
        self.register_buffer("weights", columns.float())
        self.register_buffer("bias", discriminant.bias[start.columns].float())

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix with alpha times the discriminant added."""
        return Head(before.weights + share * self.weights, before.bias + share * self.bias)


def make_gda(support: Support, *, prior: Tensor | None = None) -> Gda:
    """Return the discriminant of a support.

    Args:
        support: Images of two classes or more.
        prior: `(C,)` probabilities of the classes; even ones by default, so that a class with
            many images (blank) is not preferred for that.
    """
    return Gda(support.start, discriminant(support, shrunk_covariance(support), prior=prior))


def shrunk_covariance(support: Support) -> Tensor:
    """Return ((n - 1) S + tr(S) I) / (n - 1 + E), `(E, E)` float64, S within classes.

    With one image a class nothing varies within classes; the covariance around the mean of all
    images, which bounds it from above, stands for it then.
    """
    centred = support.exact - class_means(support)[support.classes]
    if bool(centred.square().sum() < _LEAST_SPREAD * len(centred)):
        centred = support.exact - support.exact.mean(dim=0)
    scatter = centred.T @ centred
    rest, width = len(centred) - 1, len(scatter)
    trace = (scatter.trace() / rest).clamp(min=_LEAST_SPREAD)
    return (scatter + trace * torch.eye(width, dtype=scatter.dtype)) / (rest + width)


def discriminant(
    support: Support, covariance: Tensor, *, prior: Tensor | None = None
) -> Discriminant:
    """Return the scores of linear discriminant analysis, in float64, for a shared covariance.

    A class without images gets the mean score of the others: nothing is said for or against it.

    Args:
        support: Images of two classes or more.
        covariance: `(E, E)` float64, positive definite; factored by Cholesky, never inverted.
        prior: `(C,)` probabilities; even by default.
    """
    means = class_means(support)
    even = torch.full((support.start.classes,), 1 / support.start.classes, dtype=torch.float64)
    logs = torch.log(even if prior is None else prior.double())
    weights = torch.cholesky_solve(means.T, cholesky(covariance))
    bias = logs - 0.5 * (means.T * weights).sum(dim=0)
    absent, seen = support.counts == 0, support.counts > 0
    weights[:, absent] = weights[:, seen].mean(dim=1, keepdim=True)
    bias[absent] = bias[seen].mean()
    return Discriminant(weights, bias)
