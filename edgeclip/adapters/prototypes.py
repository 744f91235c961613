"""Prototypes of a pack's images: a few directions that each of them is near to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

_ROUNDS = 20


def prototypes_of(unit: Tensor, count: int) -> Tensor:
    """Return `(count, E)` unit prototypes: spherical k-means from the farthest points, no chance.

    Args:
        unit: `(n, E)` float64 unit embeddings, n >= count.
        count: >= 1.
    """
    keys = normalize(unit.mean(dim=0, keepdim=True), dim=1)
    while len(keys) < count:
        farthest = (unit @ keys.T).max(dim=1).values.argmin()
        keys = torch.cat([keys, unit[farthest][None]])
    for _ in range(_ROUNDS):
        nearest = (unit @ keys.T).argmax(dim=1)
        sums = torch.zeros_like(keys).index_add_(0, nearest, unit)
        taken = torch.bincount(nearest, minlength=count) > 0
        keys = torch.where(taken[:, None], normalize(sums, dim=1), keys)
    return keys
