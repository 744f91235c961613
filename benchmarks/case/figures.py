"""From runs to figures: each contender over its seeds, with intervals by location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.case.study import Images
from edgeclip.baselines.resnet import RESNET50_PARAMETERS
from edgeclip.contenders import Contender
from edgeclip.contract.postprocess import best_class
from edgeclip.evaluation.bootstrap import Difference, bootstrap_interval, paired_difference
from edgeclip.evaluation.metrics import (
    Metric,
    average_precision,
    f1,
    plain,
    precision,
    recall,
    recall_at,
)

_WINDY = 0.5
_FLOOR = 0.95  # the precision that the product asks for

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What is true of the n test images.

    Attributes:
        images: Themselves.
        wind: `(n,)`, 0..1.
        class_names: C names, in the order of the contenders' columns.
        target: The class that is looked for.
    """

    images: Images
    wind: NDArray[np.float64]
    class_names: Sequence[str]
    target: str

    @property
    def is_target(self) -> Flags:
        """Whether each shows the target."""
        return np.asarray([image.class_name == self.target for image in self.images])

    def locations(self, seeds: int) -> list[str]:
        """Return the location of each image, repeated for each seed: drawn together."""
        return [str(image.location) for image in self.images] * seeds

    def called(self, contender: Contender) -> Flags:
        """Return whether the contender calls each image for the target, as the device would."""
        return np.asarray(
            [
                best_class(row, self.class_names, contender.thresholds) == self.target
                for row in contender.probabilities
            ]
        )

    def slices(self) -> Mapping[str, Flags]:
        """Return images by what they show, and in which light and wind."""
        dark = np.asarray([image.facts.is_infrared for image in self.images])
        blank = np.asarray([image.class_name == "blank" for image in self.images])
        other = ~blank & ~self.is_target
        windy = self.wind > _WINDY
        return {
            "leopards by day": self.is_target & ~dark,
            "leopards at night": self.is_target & dark,
            "blanks, moving foliage": blank & windy,
            "blanks, still": blank & ~windy,
            "other animals": other,
        }


def figures_of(seeds: Sequence[Contender], truth: Truth) -> dict[str, Any]:
    """Return the figures of one contender at one number of images.

    Args:
        seeds: The contender, once a seed.
        truth: Of the test images.
    """
    called = np.concatenate([truth.called(one) for one in seeds])
    is_target, places = np.tile(truth.is_target, len(seeds)), truth.locations(len(seeds))
    column = list(truth.class_names).index(truth.target)
    figures: dict[str, Any] = {}
    decided: dict[str, Metric] = {"precision": precision, "recall": recall, "f1": f1}
    for name, metric in decided.items():
        found = bootstrap_interval(called, is_target, places, metric=metric)
        figures[name] = [_short(v) for v in (found.estimate, found.low, found.high)]
    own = [truth.called(one) for one in seeds]
    figures["f1_by_seed"] = [_short(plain(f1, one, truth.is_target)) for one in own]
    ordered: dict[str, Metric] = {
        "average_precision": average_precision,
        f"recall_at_precision_{_FLOOR}": recall_at(_FLOOR),
    }
    for name, metric in ordered.items():
        values = [plain(metric, one.probabilities[:, column], truth.is_target) for one in seeds]
        figures[name] = _short(float(np.mean(values)))
    figures["called"] = {
        name: _short(float(np.mean([one[rows].mean() for one in own])))
        for name, rows in truth.slices().items()
        if rows.any()
    }
    figures["trainable_params"] = seeds[0].trainable_params
    if seeds[0].trainable_params:
        figures["fewer_than_resnet50"] = round(RESNET50_PARAMETERS / seeds[0].trainable_params, 1)
    figures["thresholds"] = [one.thresholds[truth.target] for one in seeds]
    figures["seconds"] = [round(one.seconds, 1) for one in seeds]
    figures["notes"] = sorted({one.note for one in seeds if one.note})
    return figures


def difference(ours: Sequence[Contender], theirs: Sequence[Contender], truth: Truth) -> Difference:
    """Return F1 of ours against theirs, paired by seed and image."""
    own, other = (np.concatenate([truth.called(c) for c in group]) for group in (ours, theirs))
    seeds = len(ours)
    return paired_difference(
        own, other, np.tile(truth.is_target, seeds), truth.locations(seeds), metric=f1
    )


def _short(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
