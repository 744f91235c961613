"""A gate over packs that is trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from edgeclip.adapters.threads import one_thread
from edgeclip.errors import DataError


@dataclass(frozen=True)
class GateSettings:
    """How a gate is trained.

    Attributes:
        k: Packs that answer for an image.
        balance: Weight of the load-balance term.
        steps: Full-batch steps of Adam.
        rate: Learning rate.
    """

    k: int = 1
    balance: float = 0.01
    steps: int = 200
    rate: float = 0.05


class TrainedGate(nn.Module):
    """g = softmax over packs of scale f^ c_p + b_p, of which the k largest are kept.

    The load-balance term L_lb = P sum_p frac_p mean(g_p), frac_p the share of images whose
    largest gate is p's, is part of the loss. (MoE-Adapters4CL, Yu et al., CVPR 2024, arXiv
    2403.11549, computes one and leaves it out.) It is 1 where the load is even, P where one pack
    takes all.

    Attributes:
        keys: `(P, E)`, normalised when used.
        log_scale: `()`.
        bias: `(P,)`.
    """

    def __init__(self, keys: Tensor, scale: float) -> None:
        """Start at one prototype a pack.

        Args:
            keys: `(P, E)`.
            scale: > 0.
        """
        super().__init__()
        self.keys = nn.Parameter(keys.detach().clone())
        self.log_scale = nn.Parameter(torch.tensor(scale).log().to(keys.dtype))
        self.bias = nn.Parameter(torch.zeros(len(keys), dtype=keys.dtype))

    def scores(self, base: Tensor) -> Tensor:
        """Return `(B, P)` scores of unit embeddings, before the softmax."""
        cosines = base @ normalize(self.keys, dim=1).T
        return self.log_scale.exp() * cosines + self.bias

    def forward(self, base: Tensor, k: int = 1) -> Tensor:
        """Return `(B, P)` gates: k non-zeros a row, sum 1; among equals the first."""
        scores = self.scores(base)
        kept = torch.argsort(scores, dim=1, descending=True, stable=True)[:, :k]
        hidden = torch.full_like(scores, -torch.inf).scatter(1, kept, scores.gather(1, kept))
        return torch.softmax(hidden, dim=1)


def load_balance(scores: Tensor) -> Tensor:
    """Return P sum_p frac_p mean(g_p) of `(B, P)` scores; the gradient is that of the mean."""
    gates = torch.softmax(scores, dim=1)
    count = scores.shape[1]
    shares = torch.bincount(scores.argmax(dim=1), minlength=count).to(scores) / len(scores)
    return count * (shares * gates.mean(dim=0)).sum()


def train_gate(base: Tensor, owners: Tensor, settings: GateSettings | None = None) -> TrainedGate:
    """Return a gate that sends each image to the pack that it was for; packs are not touched.

    Args:
        base: `(n, E)` float32, unit norm.
        owners: `(n,)` int64 in [0, P), each pack with an image or more.
        settings: How.

    Raises:
        DataError: There are no images, or a pack has none.
    """
    chosen = settings or GateSettings()
    counts = torch.bincount(owners)
    if not len(owners) or bool((counts == 0).any()):
        raise DataError("a gate needs images of every pack: give each pack's training images")
    sums = torch.zeros(len(counts), base.shape[1]).index_add_(0, owners, base)
    gate = TrainedGate(normalize(sums, dim=1), scale=10.0)
    optimizer = torch.optim.Adam(gate.parameters(), lr=chosen.rate)
    weights = counts.sum() / (len(counts) * counts.float())
    with one_thread():
        for _ in range(chosen.steps):
            optimizer.zero_grad()
            scores = gate.scores(base)
            loss = cross_entropy(scores, owners, weight=weights)
            loss = loss + chosen.balance * load_balance(scores)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return gate.eval()
