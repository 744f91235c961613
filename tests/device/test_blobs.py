from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip_device.motion.blobs import find_blobs, without_specks


def _mask(*squares: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return a mask of 320 x 180 with rectangles x, y, width, height."""
    mask = np.zeros((180, 320), np.uint8)
    for x, y, width, height in squares:
        mask[y : y + height, x : x + width] = 255
    return mask


def test_nothing_changed_has_no_boxes() -> None:
    blobs = find_blobs(_mask(), 0.02)
    assert (blobs.blob_pct, blobs.boxes, blobs.crop) == (0, (), None)


def test_a_blob_has_its_box_relative_to_the_frame() -> None:
    blobs = find_blobs(_mask((32, 18, 64, 36)), 0.02)
    assert len(blobs.boxes) == 1
    assert blobs.boxes[0] == pytest.approx((0.1, 0.1, 0.2, 0.2))
    assert blobs.crop == pytest.approx((0.1, 0.1, 0.2, 0.2))
    assert blobs.blob_pct == pytest.approx(4.0, abs=0.01)


def test_scattered_pixels_are_no_blob() -> None:
    mask = _mask((10, 10, 8, 8))
    mask[::3, ::3] = 255
    opened = without_specks(mask)
    assert np.count_nonzero(mask) > 10 * np.count_nonzero(opened)
    assert len(find_blobs(opened, 0.02).boxes) == 1


def test_a_blob_below_the_smallest_size_is_none() -> None:
    mask = _mask((10, 10, 8, 8))
    assert find_blobs(mask, 0.1).boxes != ()
    assert find_blobs(mask, 0.2).boxes == ()
    assert find_blobs(mask, 0.2).crop is None


def test_at_most_four_boxes_are_given_the_largest_first() -> None:
    squares = [(20 + 50 * n, 50, 10 + n, 10 + n) for n in range(6)]
    boxes = find_blobs(_mask(*squares), 0.02).boxes
    assert [round(box[2] * 320) for box in boxes] == [15, 14, 13, 12]


def test_parts_of_an_animal_are_looked_at_together_and_a_far_leaf_is_not() -> None:
    blobs = find_blobs(_mask((100, 80, 40, 30), (145, 80, 20, 30), (300, 10, 12, 12)), 0.02)
    assert blobs.crop == pytest.approx((100 / 320, 80 / 180, 65 / 320, 30 / 180))
