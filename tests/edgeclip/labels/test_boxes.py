from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.contract.preprocess_spec import Box
from edgeclip.labels.boxes import area, from_corners, from_pixels, numbers_of, relative_box

ANY = st.floats(-2, 3) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.tuples(ANY, ANY, ANY, ANY))
def test_a_box_is_refused_or_lies_in_the_frame(values: Box) -> None:
    box = relative_box(values)
    if box is not None:
        x, y, width, height = box
        assert x >= 0
        assert y >= 0
        assert width > 0
        assert height > 0
        assert x + width <= 1 + 1e-9
        assert y + height <= 1 + 1e-9


def test_a_box_that_a_detector_rounded_over_the_edge_is_cut() -> None:
    assert relative_box((-0.004, 0.5, 0.5, 0.5004)) == (0.0, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "values",
    [
        None,
        "0123",
        [1, 2, 3],
        [1, 2, 3, "x"],
        [1, 2, 3, float("nan")],
        [1, 2, 3, True],
        {},
        10**400,
    ],
    ids=str,
)
def test_what_is_not_four_numbers_is_no_box(values: object) -> None:
    assert numbers_of(values) is None


def test_texts_are_numbers() -> None:
    assert numbers_of(["0.1", "2", "3", "4"]) == (0.1, 2.0, 3.0, 4.0)


def test_pixels_become_parts_of_their_frame() -> None:
    assert from_pixels((20, 10, 100, 50), (200, 100)) == (0.1, 0.1, 0.5, 0.5)
    assert from_pixels((20, 10, 100, 50), (0, 100)) is None
    assert from_pixels((150, 10, 100, 50), (200, 100)) is None


def test_corners_become_a_corner_with_width_and_height() -> None:
    assert from_corners((1, 2, 4, 8)) == (1, 2, 3, 6)
    assert area((1, 2, 3, 6)) == 18
    assert area(None) == 0
