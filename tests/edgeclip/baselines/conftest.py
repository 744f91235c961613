"""A tiny CNN, and the drawn images as parts of a split."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from torch import nn

from edgeclip.baselines.cnn import Cnn
from edgeclip.baselines.judging import Task
from edgeclip.baselines.pixels import PixelPart, PixelSplit, read_pixels
from edgeclip.clip import Backbone
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.labels.dataset import Dataset
from edgeclip.parts import PartData
from edgeclip.regions import Strips, regions_of
from edgeclip.split_rows import Part
from edgeclip.splits import split_images
from support.parts_of_a_split import Parts


def tiny_network(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2),
        nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(48, classes),
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_cnn() -> Cnn:
    return Cnn("tiny CNN", tiny_network, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "from nothing")


@pytest.fixture(scope="session")
def task(dataset: Dataset) -> Task:
    return Task(dataset.class_names, ("leopard",))


@pytest.fixture(scope="session")
def pixel_split(dataset: Dataset) -> PixelSplit:
    split = split_images(dataset.images, ["leopard"], seed=1)

    def part(indices: Sequence[int], views: int) -> PixelPart:
        regions = regions_of(dataset.images, indices, views=views)
        return read_pixels(
            dataset.images, regions, class_names=dataset.class_names, size=32, strips=Strips()
        )

    apart = split.indices("validation")
    taught = part([*split.indices("train"), *apart], 2)
    return PixelSplit(taught, frozenset(apart), part(split.indices("test"), 1))


@pytest.fixture(scope="session")
def parts(dataset: Dataset, backbone: Backbone) -> Parts:
    split = split_images(dataset.images, ["leopard"], seed=1)

    def part(name: Part, views: int) -> PartData:
        regions = regions_of(dataset.images, split.indices(name), views=views)
        features = encode_regions(
            dataset.images, regions, backbone, cache=FeatureCache(None), strips=Strips()
        )
        return PartData(dataset.images, regions, features, dataset.class_names)

    return Parts(part("train", 2), part("validation", 1), part("test", 1))
