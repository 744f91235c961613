"""How far each place is from what the others give."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.left_out import Whence, left_out_distances
from edgeclip.adapters.router_rows import router_row

AXES = 16
Doubles = NDArray[np.float64]


def _place(axis: int, count: int = 6, noise: float = 0.0) -> Doubles:
    drawn = noise * np.random.default_rng(axis).normal(size=(count, AXES))
    drawn[:, axis] += 1
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _whence(*places: str | None, count: int = 6) -> Whence:
    rows = [place for place in places for _ in range(count)]
    return Whence(rows, [True] * len(rows))


def _told(unit: Doubles, whence: Whence) -> NDArray[np.float32]:
    found = left_out_distances(unit, whence, 8)
    assert found is not None
    return found


def test_a_place_is_measured_by_prototypes_that_never_saw_it() -> None:
    unit = np.concatenate([_place(0), _place(0), _place(5)])
    np.testing.assert_allclose(_told(unit, _whence("a", "b", "odd")), [0, 0, 1], atol=1e-6)
    seen = router_row("x", unit.astype(np.float32))
    np.testing.assert_allclose(1 - seen.likeness(unit.astype(np.float32)), 0, atol=1e-6)


def test_whole_frames_alone_are_measured_and_crops_teach() -> None:
    unit = np.concatenate([_place(0), _place(5), _place(0)])
    whence = Whence(["a"] * 12 + ["b"] * 6, [True] * 6 + [False] * 6 + [True] * 6)
    np.testing.assert_allclose(_told(unit, whence), [0, 0], atol=1e-6)
    whence = Whence(["a"] * 6 + ["b"] * 6 + ["a"] * 6, [True] * 6 + [True] * 6 + [False] * 6)
    np.testing.assert_allclose(_told(unit, whence), [1, 1], atol=1e-6)


def test_images_whose_place_nobody_knows_neither_teach_nor_are_measured() -> None:
    unit = np.concatenate([_place(0), _place(5), _place(5)])
    np.testing.assert_allclose(_told(unit, _whence("a", "b", None)), [1, 1], atol=1e-6)


@pytest.mark.parametrize("places", [("a",), (None, None), ("a", None)])
def test_fewer_than_two_places_tell_nothing(places: tuple[str | None, ...]) -> None:
    unit = np.concatenate([_place(0) for _ in places])
    assert left_out_distances(unit, _whence(*places), 8) is None


def test_of_many_places_each_has_its_distance_in_ascending_order() -> None:
    places = [f"p{number:02d}" for number in range(23)]
    unit = np.concatenate([_place(number % 5, 4, noise=0.1) for number in range(23)])
    found = left_out_distances(unit, _whence(*places, count=4), 8)
    assert found is not None
    assert len(found) == 23
    assert found.tolist() == sorted(found.tolist())
    assert (
        router_row("a", unit.astype(np.float32), whence=_whence(*places, count=4)).left_out
        is not None
    )
    assert router_row("a", unit.astype(np.float32)).left_out is None
