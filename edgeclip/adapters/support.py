"""The support: the few labelled images from which a training-free method is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.errors import DataError

MOST_FOLDS = 8  # each is a further fit; beyond, the parts left out are small anyway


@dataclass(frozen=True)
class Support:
    """What training-free methods see of the training part: one row a region.

    Attributes:
        features: `(n, E)` float32, unit norm: the mean of a region's views under the model so far.
        classes: `(n,)` int64, in [0, C).
        start: The class matrix that the method adds to.
        locations: n names; what is judged on left-out images leaves out whole locations. Bursts
            stand for them where there is one place.
        drawn_start: There are no prompts; the class matrix is `drawn_start` of these images.

    Raises:
        DataError: Sizes do not fit, a class is unknown, a feature is not finite, or fewer than
            two classes have images.
    """

    features: Tensor
    classes: Tensor
    start: ZeroShot
    locations: Sequence[str]
    drawn_start: bool = False

    def __post_init__(self) -> None:
        _check_sizes(self)
        if not bool(torch.isfinite(self.features).all()):
            raise DataError("the support has features that are not finite: look at the images")
        outside = (self.classes < 0) | (self.classes >= self.start.classes)
        if bool(outside.any()):
            label = int(self.classes[outside][0])
            raise DataError(f"the support has class {label}; known are 0..{self.start.classes - 1}")
        if len(self.present) < 2:
            raise DataError("the support has images of fewer than two classes: label more images")

    @property
    def counts(self) -> Tensor:
        """How many images each class has, `(C,)` int64."""
        return torch.bincount(self.classes, minlength=self.start.classes)

    @property
    def present(self) -> Tensor:
        """The classes that have images, ascending, int64."""
        return torch.nonzero(self.counts).flatten()

    @property
    def exact(self) -> Tensor:
        """The features in float64, `(n, E)`: closed forms are solved in it."""
        return self.features.double()

    @property
    def one_hot(self) -> Tensor:
        """`(n, C)` float64."""
        rows: Tensor = torch.eye(self.start.classes, dtype=torch.float64)[self.classes]
        return rows

    def start_logits(self, features: Tensor) -> Tensor:
        """Return `(m, K)` float64 logits of the class matrix alone for `(m, E)` unit features."""
        start = self.start
        scores = features.double() @ start.weights.double()
        return start.logit_scale * scores + start.bias.double()

    def chosen(self, indices: Tensor) -> Support:
        """Return the support of some of the images, `(m,)` int64 indices; a drawn start follows."""
        places = [self.locations[index] for index in indices.tolist()]
        features, classes, start = self.features[indices], self.classes[indices], self.start
        if self.drawn_start:
            start = drawn_start(features, classes, start.classes, start.logit_scale)
        return Support(features, classes, start, places, self.drawn_start)

    def without(self, part: Tensor) -> Support:
        """Return the support of all images but those of a part, `(m,)` int64 indices."""
        kept = torch.ones(len(self.classes), dtype=torch.bool)
        kept[part] = False
        return self.chosen(torch.nonzero(kept).flatten())


def drawn_start(features: Tensor, classes: Tensor, count: int, logit_scale: float) -> ZeroShot:
    """Return a start without text: the unit mean of each class's images.

    A class without images gets the mean of the others.

    Args:
        features: `(n, E)` float32, unit norm.
        classes: `(n,)` int64.
        count: C.
        logit_scale: Of the encoder.
    """
    means = _means(features.double(), classes, count)
    return ZeroShot.of(normalize(means, dim=1).float(), list(range(count)), logit_scale)


def left_out_start(support: Support) -> Tensor:
    """Return `(n, K)` float64 logits of the start for its own images, honestly.

    Prompts have not seen the images. A drawn start has: each image is judged by one drawn without
    it, and where it was the only one of its class, the start says nothing (zeros).
    """
    if not support.drawn_start:
        return support.start_logits(support.features)
    logits, rows = support.start_logits(support.features), torch.arange(len(support.classes))
    others = (support.one_hot.T @ support.exact)[support.classes] - support.exact
    own = (normalize(others, dim=1) * support.exact).sum(dim=1)
    logits[rows, support.classes] = support.start.logit_scale * own
    logits[support.counts[support.classes] == 1] = 0
    return logits


def class_means(support: Support) -> Tensor:
    """Return `(C, E)` float64 means of each class; of all class means where it has no image."""
    return _means(support.exact, support.classes, support.start.classes)


def pooled_views(features: Tensor, origins: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit mean of the unit views of each origin, and the first row of each.

    Args:
        features: `(m, E)` float32, one row a view.
        origins: `(m,)` int64, equal for the views of one region.

    Returns:
        `(n, E)` float32 in ascending order of origin, and `(n,)` int64 rows of `features`.
    """
    names, places = torch.unique(origins, return_inverse=True)
    sums = torch.zeros(len(names), features.shape[1], dtype=torch.float64)
    sums.index_add_(0, places, normalize(features.double(), dim=1))
    rows = torch.full((len(names),), len(origins))
    rows.scatter_reduce_(0, places, torch.arange(len(origins)), "amin")
    return normalize(sums, dim=1).float(), rows


def folds(support: Support) -> list[Tensor]:
    """Return what to leave out in turn, index tensors: whole locations, else dealt images.

    With two locations or more each part is some of them, of about even size. With a single
    location the images of each class are dealt over the parts so that each part lacks few images
    of a class, and neighbours in the list (bursts) of a large class stay together. An image that
    is the only one of its class is never left out, nor a part without which fewer than two
    classes have images; the list may be empty.
    """
    names = sorted(set(support.locations))
    parts = _by_location(support, names) if len(names) > 1 else _dealt(support)
    single = support.counts[support.classes] == 1
    kept = [part[~single[part]] for part in parts]
    return [part for part in kept if len(part) and _leaves_two(support, part)]


def _leaves_two(support: Support, part: Tensor) -> bool:
    gone = torch.bincount(support.classes[part], minlength=support.start.classes)
    return int((support.counts > gone).sum()) >= 2


def _dealt(support: Support) -> list[Tensor]:
    order = torch.argsort(support.classes, stable=True)
    ordered = support.classes[order]
    ranks = torch.arange(len(order)) - torch.searchsorted(ordered, ordered)
    shifted = ranks * MOST_FOLDS // support.counts[ordered] + ordered
    part = torch.empty_like(order)
    part[order] = shifted % MOST_FOLDS
    return [torch.nonzero(part == index).flatten() for index in range(MOST_FOLDS)]


def _means(features: Tensor, classes: Tensor, count: int) -> Tensor:
    sums = torch.zeros(count, features.shape[1], dtype=torch.float64)
    sums.index_add_(0, classes, features)
    counts = torch.bincount(classes, minlength=count)
    means = sums / counts.clamp(min=1).double()[:, None]
    means[counts == 0] = means[counts > 0].mean(dim=0)
    return means


def _by_location(support: Support, names: list[str]) -> list[Tensor]:
    sizes = {name: support.locations.count(name) for name in names}
    parts: list[list[str]] = [[] for _ in range(min(len(names), MOST_FOLDS))]
    loads = [0] * len(parts)
    for name in sorted(names, key=lambda name: (-sizes[name], name)):
        least = loads.index(min(loads))
        parts[least].append(name)
        loads[least] += sizes[name]
    chosen = [[i for i, name in enumerate(support.locations) if name in part] for part in parts]
    return [torch.tensor(indices) for indices in chosen]


def _check_sizes(support: Support) -> None:
    rows, width = len(support.classes), support.start.weights.shape[0]
    if support.features.shape != (rows, width) or len(support.locations) != rows:
        raise DataError(
            f"the support has features of shape {tuple(support.features.shape)}, {rows} classes "
            f"and {len(support.locations)} locations; expected ({rows}, {width}) and {rows}"
        )
