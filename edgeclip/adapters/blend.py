"""The blend: zero-shot, discriminant and kernel regression in one pack, weighed by left-out images.

It is what `--method auto` tries first beyond zero-shot. Nothing in it is tuned to a data set:
what can be judged on left-out images of the support is, the rest is a rule below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.gda import Gda, discriminant, make_gda, shrunk_covariance
from edgeclip.adapters.proker import (
    KernelRegression,
    KernelSettings,
    balanced_loss,
    centred,
    chosen_settings,
    targets,
)
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support, folds, left_out_start
from edgeclip.adapters.threads import one_thread

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""From zero-shot to the blend; chosen on left-out locations."""

_PULL = 1.0  # of the logarithms of the weights to the rule, as against one image each
_STEPS = 60
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Weights:
    """How much each expert says: factors on their logits.

    Attributes:
        start: Of the class matrix.
        gda: Of the discriminant; in a rule, at unit spread of its logits on left-out images.
        kernel: Of the kernel regression.
    """

    start: float
    gda: float
    kernel: float


PROMPTED = Weights(start=1.0, gda=1.0, kernel=5.0)
"""Rule for a start of prompts, before any image was left out."""

DRAWN = Weights(start=0.0, gda=2.0, kernel=20.0)
"""Rule for a start drawn from the same images: it says nothing that the other two do not know."""


class Blend(Component):
    """logits = a zero-shot + b (f^ W + bias) + c k(f^, S) V: a log-linear pool of three experts.

    W and the bias are GDA's (`Gda`), k and V ProKeR's regression of the classes alone
    (`KernelRegression`), so that no expert is fitted to what another left over. The pool is the
    product of experts of Hinton, Neural Computation 2002, with weights learned on left-out images
    (stacking: Wolpert, Neural Networks 1992). a and b fold into the class matrix, c V is the cache.

    Args:
        gda: The discriminant; its weight times b is folded in.
        keys: `(E, n)` float32, the support.
        values: `(n, K)` float32, c V.
        beta: Sharpness of the kernel.
        weights: a (`start`) and b (`gda`) as factors on logits.
    """

    kind: ClassVar[str] = "blend"
    fusion: ClassVar[FusionClass] = "F1"
    shares: ClassVar[tuple[float, ...]] = SHARES
    keys: Tensor
    values: Tensor

    def __init__(
        self, gda: Gda, keys: Tensor, values: Tensor, *, beta: float, weights: Weights
    ) -> None:
        super().__init__()
        self.gda = gda
        self.register_buffer("keys", keys)
        self.register_buffer("values", values)
        self.beta, self.weights = beta, weights

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix scaled towards a, with the discriminant's share of b added."""
        scale = 1 + share * (self.weights.start - 1)
        scaled = Head(scale * before.weights, scale * before.bias)
        return self.gda.head(scaled, share * self.weights.gda)

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the cache; the share is alpha."""
        return {
            "cache_keys": self.keys,
            "cache_values": self.values,
            "alpha": torch.tensor([share]),
            "beta": torch.tensor([self.beta]),
        }


def make_blend(support: Support) -> Blend:
    """Return the blend of a support. It sees no other label.

    Args:
        support: Images of two classes or more.
    """
    regression = KernelRegression.of(support)
    nothing = torch.zeros(len(support.classes), len(support.start.columns), dtype=torch.float64)
    settings = chosen_settings(support, regression, nothing)
    weights = _weights(support, regression, settings)
    values = regression.coefficients(targets(support, weights.kernel), settings.ridge)
    return Blend(
        make_gda(support),
        support.features.T.contiguous(),
        values.float(),
        beta=regression.beta,
        weights=weights,
    )


def _weights(support: Support, regression: KernelRegression, settings: KernelSettings) -> Weights:
    """Return factors on the experts' logits: learned on left-out images, else the rule."""
    parts = folds(support)
    rule = DRAWN if support.drawn_start else PROMPTED
    judged = torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
    if len(torch.unique(support.classes[judged])) < 2:
        return _untested(support, rule)
    experts = left_out_experts(support, regression, settings, parts)[:, judged]
    unit = experts[1].std().clamp(min=_LEAST_SPREAD)
    first = torch.tensor([rule.start, rule.gda / float(unit), rule.kernel], dtype=torch.float64)
    found = _fitted(support, experts, judged, first)
    return Weights(*found.tolist())


def _untested(support: Support, rule: Weights) -> Weights:
    """Return the rule where no image can be left out: one a class says nothing of its spread.

    The scale of prompts can still be judged: they have not seen the images.
    """
    start = rule.start
    if not support.drawn_start:
        rows = torch.arange(len(support.classes))
        logits = centred(support.start_logits(support.features))
        first = torch.tensor([start], dtype=torch.float64)
        start = float(_fitted(support, logits[None], rows, first))
    return Weights(start=start, gda=0.0, kernel=rule.kernel)


def left_out_experts(
    support: Support,
    regression: KernelRegression,
    settings: KernelSettings,
    parts: list[Tensor],
) -> Tensor:
    """Return the logits of start, discriminant and kernel for images each has not seen.

    Args:
        support: Images of two classes or more.
        regression: On them.
        settings: Their ridge counts; the gap is taken as 1.
        parts: Index tensors, no row in two of them; other rows are not judged.

    Returns:
        `(3, n, K)` float64, around their row means.
    """
    wanted = targets(support, 1.0)
    kernel = wanted - regression.left_out(wanted, settings.ridge, parts)
    gda = torch.zeros_like(kernel)
    for part in parts:
        rest = support.without(part)
        scores = discriminant(rest, shrunk_covariance(rest))
        logits = support.exact[part] @ scores.weights + scores.bias
        gda[part] = centred(logits[:, support.start.columns])
    return torch.stack([centred(left_out_start(support)), gda, centred(kernel)])


def _fitted(support: Support, experts: Tensor, rows: Tensor, first: Tensor) -> Tensor:
    """Return weights `(x,)` > 0: least balanced loss, their logarithms pulled to `first`."""
    move = torch.zeros_like(first, requires_grad=True)
    optimizer = torch.optim.LBFGS([move], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = torch.einsum("x,xnk->nk", first * move.exp(), experts)
        value = balanced_loss(support, logits, rows) + _PULL / len(rows) * move.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with one_thread():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return first * move.detach().exp()
