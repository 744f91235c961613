"""How often a row is drawn or counted: each class, each location of it, and each burst, alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def balanced_weights(
    classes: NDArray[np.int64],
    locations: Sequence[str],
    sequences: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """Return `(n,)` weights, sum 1: each class, each of its locations and bursts, counts alike.

    Args:
        classes: `(n,)` int64.
        locations: n names.
        sequences: n names: the frames of one burst show one visit, and count once. None: each row
            counts.
    """
    groups = [classes.tolist(), locations, *([] if sequences is None else [sequences])]
    paths = list(zip(*groups, range(len(classes)), strict=True))
    weights = np.ones(len(paths))
    for depth in range(len(groups) + 1):
        sizes = Counter(child[:-1] for child in {path[: depth + 1] for path in paths})
        weights /= [sizes[path[:depth]] for path in paths]
    return weights


def prior_offsets(
    classes: NDArray[np.int64], origins: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return `(K,)` log of the share of each column's class among the images, smoothed by one.

    A balanced sampler teaches logits of classes that are equally frequent. Taken off the logits in
    the loss, these leave them with the prior in it: logit adjustment the other way round (Menon et
    al., ICLR 2021, arXiv 2007.07314, equation 10).

    Args:
        classes: `(n,)` int64.
        origins: `(n,)` int64, equal for rows that show one thing and count once.
        columns: `(K,)` int64, class of each column.
    """
    _, first = np.unique(origins, return_index=True)
    counts = np.bincount(classes[first], minlength=int(columns.max()) + 1) + 1
    offsets: NDArray[np.float64] = np.log(counts / counts.sum())[columns]
    return offsets
