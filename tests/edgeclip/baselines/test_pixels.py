"""Pixels of regions: the same that the frozen encoder sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeclip.baselines.pixels import read_pixels
from edgeclip.contract.preprocess import decode_image
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import DataError
from edgeclip.features import Features
from edgeclip.labels.dataset import Dataset
from edgeclip.parts import PartData
from edgeclip.regions import Strips, pixels_of, regions_of
from edgeclip.training import sampling_weights


def test_regions_keep_their_order_and_are_those_of_the_encoder(dataset: Dataset) -> None:
    regions = regions_of(dataset.images, [5, 2], views=3)[::-1]
    strips, done = Strips(bottom_px=4), list[int]()
    part = read_pixels(
        dataset.images, regions, class_names=dataset.class_names, size=24, strips=strips,
        advance=done.append,
    )  # fmt: skip
    spec = PreprocessSpec(size=24, mean=(0, 0, 0), std=(1, 1, 1))
    assert sum(done) == len(regions) == len(part.pixels)
    for region, pixels, place in zip(regions, part.pixels, part.locations, strict=True):
        image = dataset.images[region.image]
        frame = decode_image(image.path.read_bytes())
        wanted = pixels_of(frame, region, image.facts.sha256, spec=spec, strips=strips)
        assert np.array_equal(pixels, wanted)
        assert place == image.location
    names = [dataset.class_names[index] for index in part.classes]
    assert names == [dataset.images[region.image].class_name for region in regions]


def test_regions_are_drawn_as_often_as_in_our_own_fit(dataset: Dataset) -> None:
    images = [replace(image, sequence=f"{n // 5}") for n, image in enumerate(dataset.images)]
    regions = regions_of(images, [0, 1, 2, 7, 11, 40], views=2)
    names, none = dataset.class_names, np.zeros((len(regions), 1), np.float32)
    part = read_pixels(images, regions, class_names=names, size=16, strips=Strips())
    ours = PartData(images, regions, Features(none, none), names).training_rows()
    np.testing.assert_array_equal(part.weights, sampling_weights(ours))
    assert len(set(part.weights.tolist())) > 1


def test_an_image_that_changed_is_named(dataset: Dataset) -> None:
    image = dataset.images[0]
    other = replace(image, facts=replace(image.facts, sha256="0" * 64))
    with pytest.raises(DataError, match=rf"{image.path.name} changed while it was used"):
        read_pixels(
            [other], regions_of([other], [0], views=1), class_names=dataset.class_names, size=24,
            strips=Strips(),
        )  # fmt: skip
