from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.heat_box import heat_box
from edgeclip.contract.likeness import likeness_map
from support.samples import pack_manifest

WHOLE = (0.0, 0.0, 1.0, 1.0)


def _hot(rows: slice, cols: slice, side: int = 8) -> NDArray[np.float32]:
    cells = np.zeros((side, side), np.float32)
    cells[rows, cols] = 1
    return cells


def _box(
    likeness: NDArray[np.float32], view: tuple[float, float, float, float] = WHOLE
) -> list[float]:
    found = heat_box(likeness, view)
    assert found is not None
    return list(found)


def test_the_box_is_around_the_hot_cells() -> None:
    box = _box(_hot(slice(2, 4), slice(3, 6)))
    assert box == pytest.approx([3 / 8, 2 / 8, 3 / 8, 2 / 8], abs=1 / 64)


def test_of_two_spots_the_hottest_alone_is_boxed() -> None:
    cells = _hot(slice(1, 3), slice(1, 3)) * 0.9 + _hot(slice(5, 7), slice(5, 7))
    assert _box(cells)[:2] == pytest.approx([5 / 8, 5 / 8], abs=1 / 64)


def test_a_few_very_cold_cells_do_not_widen_the_box() -> None:
    cells = _hot(slice(2, 4), slice(3, 6)) + 0.3 * _hot(slice(0, 6), slice(0, 8))
    without = _box(cells)
    cells[7, 7] = -20
    assert _box(cells) == without


def test_scale_and_offset_do_not_count() -> None:
    cells = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    assert _box(4 * cells - 3) == _box(cells)


def test_the_box_of_a_crop_lies_where_the_crop_was_cut() -> None:
    x, y, width, height = _box(_hot(slice(0, 8), slice(0, 3)), (0.5, 0.25, 0.4, 0.5))
    assert (x, y, height) == (0.5, 0.25, 0.5)
    assert width == pytest.approx(0.15, abs=0.4 / 64)


def test_it_never_leaves_its_view_nor_the_frame() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        side, (x, y) = int(rng.integers(2, 33)), rng.uniform(0, 0.9, 2)
        view = (float(x), float(y), float(1 - x), float(1 - y))
        found = _box(rng.normal(size=(side, side)).astype(np.float32), view)
        assert found[0] >= x - 1e-4
        assert found[1] >= y - 1e-4
        assert found[0] + found[2] <= 1 + 1e-9
        assert found[1] + found[3] <= 1 + 1e-9
        assert min(found[2:]) > 0


@pytest.mark.parametrize(
    "cells",
    [np.zeros((8, 8)), np.zeros((1, 1)), np.full((4, 4), np.nan), np.eye(1, 8)],
    ids=["all alike", "one cell", "not finite", "one row"],
)
def test_what_shows_nobody_where_to_look_has_no_box(cells: NDArray[np.float64]) -> None:
    assert heat_box(cells.astype(np.float32)) is None


def test_likeness_is_the_class_against_an_empty_scene() -> None:
    cells = np.zeros((4, 3), np.float32)  # columns leopard, blank, blank
    cells[2] = (0.9, 0.1, 0.3)
    found = likeness_map(cells, "leopard", pack_manifest())
    assert found is not None
    assert found.ravel().tolist() == pytest.approx([0, 0, 0.7, 0])


@pytest.mark.parametrize("count", [1, 5, 8])
def test_cells_that_are_no_square_have_no_map(count: int) -> None:
    assert likeness_map(np.zeros((count, 3), np.float32), "leopard", pack_manifest()) is None
