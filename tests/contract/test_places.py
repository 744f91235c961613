from __future__ import annotations

import math

import pytest

from edgeclip.contract.places import GRIDS_DEG, told_place

RIDGE = (-1.29217, 36.82194)


def test_a_withheld_place_tells_nothing() -> None:
    place = told_place(RIDGE, "withheld", None, 30.0)
    assert (place.mode, place.latitude, place.longitude) == ("withheld", None, None)
    assert place.uncertainty_m is None


def test_an_exact_place_says_how_far_off_it_may_be() -> None:
    place = told_place(RIDGE, "exact", None, 30.0)
    assert (place.latitude, place.longitude, place.uncertainty_m) == (*RIDGE, 30.0)


@pytest.mark.parametrize(
    ("precision", "middle"),
    [
        (1.0, (-1.5, 36.5)),
        (0.1, (-1.25, 36.85)),
        (0.01, (-1.295, 36.825)),
        (0.001, (-1.2925, 36.8215)),
    ],
    ids=["category 1", "category 2", "category 3", "category 4"],
)
def test_a_generalised_place_is_the_middle_of_its_cell(
    precision: float, middle: tuple[float, float]
) -> None:
    place = told_place(RIDGE, "generalised", precision, 30.0)
    assert (place.latitude, place.longitude) == pytest.approx(middle)
    assert place.precision_deg == precision


@pytest.mark.parametrize("precision", GRIDS_DEG)
@pytest.mark.parametrize(
    "position", [RIDGE, (0.0, 0.0), (90.0, 180.0), (-90.0, -180.0), (64.1, -21.9)]
)
def test_the_place_lies_within_what_is_said_of_the_uncertainty(
    position: tuple[float, float], precision: float
) -> None:
    place = told_place(position, "generalised", precision, 0.0)
    assert place.latitude is not None
    assert place.longitude is not None
    assert place.uncertainty_m is not None
    assert abs(place.latitude) < 90
    assert abs(place.longitude) < 180
    assert _distance_m(position, (place.latitude, place.longitude)) <= 1.01 * place.uncertainty_m


def test_every_place_of_a_cell_is_told_alike_so_that_asking_often_finds_nothing() -> None:
    told = {
        told_place((-1.29 + north / 5e3, 36.82 + east / 5e3), "generalised", 0.01, 30.0).latitude
        for north in range(-49, 0)
        for east in range(49)
    }
    assert len(told) == 1


def test_a_generalised_place_without_a_grid_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="side of its cells"):
        told_place(RIDGE, "generalised", None, 30.0)


def _distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance on a sphere (haversine)."""
    (a, b), (c, d) = (map(math.radians, point) for point in (one, other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(half))
