"""How far images are from what packs have seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.familiarity import Familiar
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import PackError


def _at(*cosines: float) -> NDArray[np.float32]:
    """Unit vectors at these cosines to the first axis."""
    return np.array([[c, np.sqrt(1 - c * c), 0] for c in cosines], np.float32)


def _row(key: list[float], left_out: list[float] | None) -> RouterRow:
    own = None if left_out is None else np.array(left_out, np.float32)
    return RouterRow("a", np.array([key], np.float32), 1.0, 0.1, left_out=own)


def test_one_is_as_far_as_the_farthest_place_that_was_left_out() -> None:
    familiar = Familiar.of([_row([1, 0, 0], [0.05, 0.1, 0.2])])
    assert familiar is not None
    assert familiar.places == [3]
    np.testing.assert_allclose(familiar.distances(_at(1.0, 0.8, 0.6)), [0, 1, 2], atol=1e-5)


def test_of_several_packs_the_nearest_counts_in_its_own_units() -> None:
    familiar = Familiar.of([_row([1, 0, 0], [0.1, 0.2]), _row([0, 1, 0], [0.2, 0.4])])
    assert familiar is not None
    assert familiar.places == [2, 2]
    np.testing.assert_allclose(familiar.distances(_at(0.8, 0.6)), [1, 0.5], atol=1e-5)


def test_a_pack_that_does_not_know_its_places_leaves_all_open() -> None:
    assert Familiar.of([_row([1, 0, 0], [0.1, 0.2]), _row([0, 1, 0], None)]) is None
    assert Familiar.of([]) is None


def test_places_that_are_all_alike_give_a_finite_distance() -> None:
    familiar = Familiar.of([_row([1, 0, 0], [0.0, 0.0])])
    assert familiar is not None
    assert np.isfinite(familiar.distances(_at(1.0, 0.0))).all()


@pytest.mark.parametrize("wrong", [[0.1], [], [0.1, float("nan")], [0.1, 3.0]])
def test_distances_that_cannot_be_are_refused(wrong: list[float]) -> None:
    with pytest.raises(PackError, match=r"router row of a: left_out .* make the pack again"):
        _row([1, 0, 0], wrong)


def test_a_row_stores_what_it_knows_of_places_and_nothing_where_it_knows_nothing() -> None:
    assert "router_left_out" in _row([1, 0, 0], [0.1, 0.2]).tensors()
    assert "router_left_out" not in _row([1, 0, 0], None).tensors()
