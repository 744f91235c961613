"""Small supports for the tests of training-free methods: drawn classes around drawn means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.support import Support

EMBED_DIM, SCALE = 12, 20.0


def start(columns: Sequence[int] = (0, 1, 2), seed: int = 0) -> ZeroShot:
    """Return a class matrix of random text features, `(12, K)`."""
    generator = torch.Generator().manual_seed(seed)
    text = normalize(torch.randn(len(columns), EMBED_DIM, generator=generator), dim=1)
    return ZeroShot.of(text, list(columns), SCALE)


def support(
    counts: Sequence[int] = (4, 4, 4),
    *,
    columns: Sequence[int] = (0, 1, 2),
    locations: int = 1,
    noise: float = 0.5,
    seed: int = 1,
) -> Support:
    """Return images of classes, spread around a mean each, in shuffled order.

    Args:
        counts: Images of each class.
        columns: Class of each column of the start.
        locations: Dealt over the images in turn.
        noise: Standard deviation around the class means, which are of unit norm.
        seed: Of all that is drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    means = normalize(torch.randn(len(counts), EMBED_DIM, generator=generator), dim=1)
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    classes = classes[torch.randperm(len(classes), generator=generator)]
    around = torch.randn(len(classes), EMBED_DIM, generator=generator) / EMBED_DIM**0.5
    features = normalize(means[classes] + noise * around, dim=1)
    places = [f"loc{index % locations}" for index in range(len(classes))]
    return Support(features, classes, start(columns), places)


def queries(count: int = 9, seed: int = 5) -> Tensor:
    """Return `(count, 12)` features whose norm is not 1."""
    return 3 * torch.randn(count, EMBED_DIM, generator=torch.Generator().manual_seed(seed))
