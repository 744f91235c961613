"""How well a pack finds one of its classes: at its own threshold, and at the best there is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.clip import Backbone
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions
from edgeclip.labels.dataset import Dataset
from edgeclip.packs import load_pack
from edgeclip.parts import PartData
from edgeclip.regions import Region, Strips, regions_of


@dataclass(frozen=True)
class Judged:
    """What a pack does for one class."""

    f1: float
    precision: float
    recall: float
    best_f1: float


@dataclass(frozen=True)
class Bench:
    """Images to judge on, seen once.

    Attributes:
        dataset: With whatever classes.
        regions: Frames and crops.
        features: Of the regions.
    """

    dataset: Dataset
    regions: list[Region]
    features: Features

    @staticmethod
    def of(dataset: Dataset, backbone: Backbone) -> Bench:
        """Return images with what the encoder says of them."""
        regions = regions_of(dataset.images, range(len(dataset.images)), views=1)
        cache = FeatureCache(None)
        found = encode_regions(dataset.images, regions, backbone, cache=cache, strips=Strips())
        return Bench(dataset, regions, found)

    def judge(self, folder: Path, name: str, species: str) -> Judged:
        """Return how a pack finds a species, under the name that it has there."""
        pack = load_pack(folder)
        manifest = pack.manifest
        target = manifest.class_names.index(name)
        part = PartData(self.dataset.images, self.regions, self.features, manifest.class_names)
        order, rows = part.score(pack.tensors, manifest.column_class, [target])
        truth = np.asarray([self.dataset.images[i].class_name == species for i in order])
        return judged_at(rows[:, target], truth, manifest.thresholds[name].on)


def judged_at(scores: NDArray[np.float32], truth: NDArray[np.bool_], on: float) -> Judged:
    """Return the figures of scores at a threshold, and F1 at the best one."""
    called = scores >= on
    hits = int((called & truth).sum())
    best = max(_f1(scores >= level, truth) for level in np.unique(scores))
    return Judged(
        f1=_f1(called, truth),
        precision=hits / max(int(called.sum()), 1),
        recall=hits / max(int(truth.sum()), 1),
        best_f1=best,
    )


def mean_of(found: list[Judged]) -> dict[str, float]:
    """Return the means of several, rounded, and the lowest F1 among them."""
    rows = [asdict(one) for one in found]
    means = {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
    return {**means, "lowest_f1": round(min(one.f1 for one in found), 3), "runs": len(found)}


def _f1(called: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * int((called & truth).sum()) / max(int(called.sum() + truth.sum()), 1)
