"""Tip-Adapter: a cache of the support beside the class matrix; and with keys that train."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support

ALPHAS = (0.0, 0.3, 1.0, 3.0, 10.0)
BETAS = (0.5, 1.5, 5.0, 15.0, 50.0)
GRID = tuple(itertools.product(ALPHAS, BETAS))
"""25 pairs (alpha, beta) on a log grid, alpha 0 among them; chosen on left-out locations."""

ALPHA, BETA = 1.0, 5.5  # the paper's for ImageNet: where nothing can be left out


class TipAdapter(Component):
    """logits += alpha exp(-beta (1 - f^ F^T)) L, keys F the support, L its balanced classes.

    Tip-Adapter, Zhang et al., ECCV 2022, arXiv 2207.09519, with L = onehot diag(1/n_c) n_mean: the
    published sum over keys gives a class with ten times the images ten times the weight.
    `share` scales alpha.

    Args:
        keys: `(E, n)` float32, columns of unit norm.
        values: `(n, K)` float32, >= 0.
        alpha: >= 0.
        beta: >= 0, sharpness.

    Raises:
        ValueError: A negative alpha or beta.
    """

    kind: ClassVar[str] = "tip"
    fusion: ClassVar[FusionClass] = "F1"
    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor, *, alpha: float, beta: float) -> None:
        super().__init__()
        if alpha < 0 or beta < 0:
            raise ValueError(f"alpha {alpha} and beta {beta} must not be negative")
        self._keep_keys(keys)
        self.register_buffer("values", values)
        self.alpha, self.beta = alpha, beta

    def _keep_keys(self, keys: Tensor) -> None:
        self.register_buffer("keys", keys)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the cache; the share scales alpha."""
        return {
            "cache_keys": self.keys,
            "cache_values": self.values,
            "alpha": torch.tensor([self.alpha * share]),
            "beta": torch.tensor([self.beta]),
        }


class TipFinetuned(TipAdapter):
    """Tip-Adapter-F: the same, with keys that train. At step 0 it is Tip-Adapter."""

    kind: ClassVar[str] = "tip_f"

    def _keep_keys(self, keys: Tensor) -> None:
        self.keys = nn.Parameter(keys.clone())


def make_tip(support: Support, *, alpha: float = ALPHA, beta: float = BETA) -> TipAdapter:
    """Return the cache of a support.

    Args:
        support: Images of two classes or more.
        alpha: Weight of the cache, >= 0.
        beta: Sharpness, >= 0.
    """
    keys = support.features.T.contiguous()
    return TipAdapter(keys, balanced_values(support), alpha=alpha, beta=beta)


def make_tip_f(support: Support, *, alpha: float = ALPHA, beta: float = BETA) -> TipFinetuned:
    """Return the cache of a support whose keys are to be trained; arguments as `make_tip`."""
    keys = support.features.T.contiguous()
    return TipFinetuned(keys, balanced_values(support), alpha=alpha, beta=beta)


def balanced_values(support: Support) -> Tensor:
    """Return onehot diag(1/n_c) n_mean, `(n, K)` float32: each class has the same sum.

    The values of a class are those of each of its columns: p(class) sums over them.
    """
    counts = support.counts[support.present].double()
    weights = counts.mean() / support.counts.clamp(min=1).double()
    return (support.one_hot * weights)[:, support.start.columns].float()
