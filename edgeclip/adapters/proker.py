"""ProKeR: kernel ridge regression of what the class matrix leaves unexplained, as a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support, folds, left_out_start

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
GAPS = (1.0, 3.0, 10.0, 30.0, 100.0)
RIDGE, GAP = 0.1, 10.0  # with one image a class nothing can be left out

_LEAST_DISTANCE = 1e-6  # squared; images that are all alike


@dataclass(frozen=True)
class KernelSettings:
    """What leave-one-out chooses.

    Attributes:
        ridge: lambda > 0: how far the regression is held from the images' labels.
        gap: > 0: by how much the logit of the right class is to stand above the others.
    """

    ridge: float = RIDGE
    gap: float = GAP


class ProKeR(Component):
    """logits += k(f^, S) (K + lambda I)^-1 (gap Y - logits(S)), k(a, b) = exp(-gamma |a - b|^2).

    Bendou et al., CVPR 2025, arXiv 2501.11175. For unit vectors |a - b|^2 = 2 (1 - a b), so that
    it is the graph's cache with alpha = 1 and beta = 2 gamma. Logits are taken around their mean
    over the classes, which softmax does not see, and Y is one-hot around its mean; the published
    form has gap = 1, which pulls confident logits of scale 100 towards nothing.

    Args:
        keys: `(E, n)` float32, the support.
        values: `(n, K)` float32, the coefficients.
        beta: 2 gamma > 0.
    """

    kind: ClassVar[str] = "proker"
    fusion: ClassVar[FusionClass] = "F1"
    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor, beta: float) -> None:
        super().__init__()
        self.register_buffer("keys", keys)
        self.register_buffer("values", values)
        self.beta = beta

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the cache; the share is alpha."""
        return {
            "cache_keys": self.keys,
            "cache_values": self.values,
            "alpha": torch.tensor([share]),
            "beta": torch.tensor([self.beta]),
        }


def make_proker(support: Support, settings: KernelSettings | None = None) -> ProKeR:
    """Return the regression on a support; settings by leave-one-out where none are given."""
    regression = KernelRegression.of(support)
    start = centred(left_out_start(support))
    chosen = settings or chosen_settings(support, regression, start)
    residual = targets(support, chosen.gap) - start
    values = regression.coefficients(residual, chosen.ridge)
    return ProKeR(support.features.T.contiguous(), values.float(), regression.beta)


@dataclass(frozen=True)
class KernelRegression:
    """The kernel matrix of a support.

    Attributes:
        beta: 2 gamma, gamma = 1 / (2 median squared distance).
        matrix: `(n, n)` float64, K.
    """

    beta: float
    matrix: Tensor

    @staticmethod
    def of(support: Support) -> KernelRegression:
        """Return it, gamma from the median distance between two images."""
        beta = sharpness(support.exact)
        return KernelRegression(beta, kernel(support.exact, support.exact, beta))

    def coefficients(self, residual: Tensor, ridge: float) -> Tensor:
        """Return (K + lambda I)^-1 residual, `(n, K)` float64."""
        return torch.cholesky_solve(residual, self._factor(ridge))

    def left_out(self, residual: Tensor, ridge: float, parts: list[Tensor]) -> Tensor:
        """Return what is still unexplained of each row once its part was left out, `(n, K)`.

        In closed form: with H = (K + lambda I)^-1, the residual of the rows G, predicted from all
        others, leaves (H_GG)^-1 (H residual)_G.

        Args:
            residual: `(n, K)` float64.
            ridge: lambda.
            parts: Index tensors, no row in two of them.
        """
        inverse = torch.cholesky_inverse(self._factor(ridge))  # H
        solved = inverse @ residual
        left = residual.clone()  # a row that is in no part is not judged
        for part in parts:
            left[part] = torch.linalg.solve(inverse[part][:, part], solved[part])
        return left

    def _factor(self, ridge: float) -> Tensor:
        factor: Tensor = torch.linalg.cholesky(self.matrix + ridge * torch.eye(len(self.matrix)))
        return factor


def kernel(one: Tensor, other: Tensor, beta: float) -> Tensor:
    """Return exp(-beta (1 - a b)) for unit rows, `(m, n)`."""
    return torch.exp(-beta * (1 - one @ other.T))


def sharpness(features: Tensor) -> float:
    """Return 2 gamma with gamma = 1 / (2 median |a - b|^2) over pairs of unit rows `(n, E)`."""
    rows, columns = torch.triu_indices(len(features), len(features), 1)
    squared = 2 * (1 - features @ features.T)[rows, columns]
    return 1 / max(float(squared.median()), _LEAST_DISTANCE)


def centred(logits: Tensor) -> Tensor:
    """Return logits `(m, K)` around the mean of each row."""
    return logits - logits.mean(dim=1, keepdim=True)


def targets(support: Support, gap: float) -> Tensor:
    """Return gap Y around its row means, `(n, K)` float64; a class raises all its columns."""
    return gap * centred(support.one_hot[:, support.start.columns])


def chosen_settings(
    support: Support, regression: KernelRegression, start: Tensor
) -> KernelSettings:
    """Return the settings with the least cross-entropy on left-out images, classes even.

    What is left out in turn are the `folds` of the support, in closed form. With nothing to leave
    out (one image a class) the defaults.

    Args:
        support: Images of two classes or more.
        regression: On them.
        start: `(n, K)` float64 logits that the regression adds to, around their row means.
    """
    parts = folds(support)
    if not parts:
        return KernelSettings()
    judged = torch.cat(parts)

    best, least = KernelSettings(), float("inf")
    for ridge in RIDGES:
        # Linear in what is left over: one solution serves all gaps.
        both = torch.cat([targets(support, 1.0), start], dim=1)
        wanted, held = (both - regression.left_out(both, ridge, parts))[judged].chunk(2, dim=1)
        for gap in GAPS:
            # wanted: the labels as predicted from the others; start - held: what the start keeps.
            logits = gap * wanted + start[judged] - held
            loss = float(balanced_loss(support, logits, judged))
            if loss < least:
                best, least = KernelSettings(ridge, gap), loss
    return best


def balanced_loss(support: Support, logits: Tensor, rows: Tensor) -> Tensor:
    """Return the mean over the classes of the mean of -log p(class), `()`.

    Args:
        support: Whose images are judged.
        logits: `(m, K)`.
        rows: `(m,)` int64, which images of the support.
    """
    classes, columns = support.classes[rows], support.start.columns
    own = columns[None] == classes[:, None]
    right = torch.logsumexp(logits.masked_fill(~own, -torch.inf), dim=1)
    losses = torch.logsumexp(logits, dim=1) - right
    counts = torch.bincount(classes, minlength=support.start.classes)
    return (losses / counts[classes]).sum() / (counts > 0).sum()
