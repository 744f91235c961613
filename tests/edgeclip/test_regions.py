from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeclip.contract.preprocess import prepare
from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset
from edgeclip.regions import Region, Strips, pixels_of, regions_of
from edgeclip.split_rows import LEARNED_FROM, TESTED
from edgeclip.splits import split_images
from support.drawn_images import draw
from support.samples import preprocess_spec

SPEC = preprocess_spec(32)
FRAME = draw("leopard", 0)
BOX = (0.25, 0.25, 0.5, 0.5)


def test_an_image_with_a_box_gives_frame_and_crop_in_each_view(dataset: Dataset) -> None:
    index = next(i for i, image in enumerate(dataset.images) if image.class_name == "leopard")
    regions = regions_of(dataset.images, [index], views=3)
    assert [(r.box is None, r.view) for r in regions] == [
        (whole, view) for whole in (True, False) for view in range(3)
    ]


def test_a_blank_borrows_a_box_that_its_content_decides(dataset: Dataset) -> None:
    blanks = [i for i, image in enumerate(dataset.images) if image.class_name == "blank"]
    boxes = [r.box for r in regions_of(dataset.images, blanks, views=1) if r.box]
    assert boxes == [r.box for r in regions_of(dataset.images, blanks, views=1) if r.box]
    assert len(boxes) == len(blanks)
    assert len(set(boxes)) > 1
    assert all(x + w <= 1 and y + h <= 1 and (w, h) == (0.5, 0.5) for x, y, w, h in boxes)


def test_a_blank_of_the_training_part_borrows_no_box_of_a_test_image(dataset: Dataset) -> None:
    split = split_images(dataset.images, ["leopard"], seed=1)
    odd = (0.0, 0.0, 0.125, 0.125)  # told from all others by its size
    images = [
        replace(image, box=odd) if image.box and part in TESTED else image
        for image, part in zip(dataset.images, split.parts, strict=True)
    ]
    taught = [index for index, part in enumerate(split.parts) if part in LEARNED_FROM]
    usual, changed = (
        regions_of(of, taught, views=1, lenders=taught) for of in (dataset.images, images)
    )
    assert usual == changed
    assert any(r.box and images[r.image].class_name == "blank" for r in usual)
    assert regions_of(images, taught, views=1) != usual


def test_where_no_training_image_has_a_box_a_blank_has_none(dataset: Dataset) -> None:
    blanks = [i for i, image in enumerate(dataset.images) if image.class_name == "blank"]
    assert all(r.box is None for r in regions_of(dataset.images, blanks, views=1, lenders=blanks))


def test_the_first_two_views_are_the_contract_s_preprocessing_and_its_mirror() -> None:
    plain, mirrored = (
        pixels_of(FRAME, Region(0, None, view), "s", spec=SPEC, strips=Strips()) for view in (0, 1)
    )
    np.testing.assert_array_equal(plain, prepare(FRAME, SPEC))
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


def test_a_crop_is_the_device_s_crop() -> None:
    pixels = pixels_of(FRAME, Region(0, BOX, 0), "s", spec=SPEC, strips=Strips())
    np.testing.assert_array_equal(pixels, prepare(FRAME, SPEC, BOX))


def test_random_views_differ_and_follow_from_the_content() -> None:
    views = [
        pixels_of(FRAME, Region(0, BOX, view), seed, spec=SPEC, strips=Strips())
        for view, seed in ((2, "a"), (2, "a"), (3, "a"), (2, "b"))
    ]
    np.testing.assert_array_equal(views[0], views[1])
    assert all((views[0] != other).any() for other in views[2:])


def test_strips_are_cut_and_boxes_follow() -> None:
    strips = Strips(top_px=8, bottom_px=16)
    whole = pixels_of(FRAME, Region(0, None, 0), "s", spec=SPEC, strips=strips)
    np.testing.assert_array_equal(whole, prepare(FRAME[8:32], SPEC))
    crop = pixels_of(FRAME, Region(0, (0.25, 0.25, 0.5, 0.25), 0), "s", spec=SPEC, strips=strips)
    expected = prepare(FRAME[8:32], SPEC, (0.25, 4 / 24, 0.5, 12 / 24))
    np.testing.assert_array_equal(crop, expected)


def test_strips_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="leave nothing of 48 rows"):
        pixels_of(FRAME, Region(0, None, 0), "s", spec=SPEC, strips=Strips(24, 24))
