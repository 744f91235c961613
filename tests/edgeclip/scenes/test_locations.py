"""Locations, their strips, and who walks where."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.locations import location
from edgeclip.scenes.sampling import sample_scene, tallest
from edgeclip.scenes.species import SPECIES
from edgeclip.scenes.strip import draw_strip, strip_height
from edgeclip.scenes.subjects import Subject
from edgeclip.scenes.terrain import draw_terrain
from edgeclip.scenes.walking import step_phase, walked

SIZE = (180, 320)
AT = datetime(2024, 5, 12, 21, 34, 5, tzinfo=timezone.utc)


def test_a_seed_is_a_location_for_ever() -> None:
    assert location(7) == location(7)
    assert np.array_equal(draw_terrain(location(7), SIZE), draw_terrain(location(7), SIZE))
    assert location(7).name == "loc-0007"


def test_locations_differ_in_biome_horizon_and_strip() -> None:
    places = [location(seed) for seed in range(40)]
    assert {place.biome for place in places} == {"savanna", "forest", "scrub"}
    assert {place.strip for place in places} == {"black", "white", "overlay"}
    assert len({place.horizon for place in places}) == 40


def test_the_sky_is_far_and_the_lower_edge_is_near() -> None:
    nearness = draw_terrain(location(7), SIZE)[..., 3]
    assert nearness[0].max() < 20
    assert nearness[-1].min() > 200


def test_something_nearer_stands_lower_and_looks_larger() -> None:
    place = location(7)
    assert place.foot_row(3.0, SIZE) > place.foot_row(9.0, SIZE) > place.horizon * SIZE[0]
    assert place.pixels_per_m(3.0, 320) == pytest.approx(3 * place.pixels_per_m(9.0, 320))


@pytest.mark.parametrize("species", sorted(SPECIES))
def test_the_tallest_subject_of_a_kind_still_has_its_feet_in_the_frame(species: str) -> None:
    place = location(7)
    subject = Subject(species, height=tallest(species, place))
    assert place.foot_row(subject.distance_m(place, SIZE), SIZE) <= SIZE[0]


def test_random_scenes_keep_their_subjects_in_proportion() -> None:
    rng = np.random.default_rng(0)
    for name, kind in SPECIES.items():
        for night in (True, False):
            spec = sample_scene(rng, name, 3, night=night)
            assert spec.light.is_infrared == night
            assert {subject.species for subject in spec.subjects} == {name}
            assert all(0.4 <= subject.yaw <= 1 for subject in spec.subjects)
            assert all(s.distance_m(location(3), SIZE) > 0.6 * kind.height_m for s in spec.subjects)


@pytest.mark.parametrize("seed", range(6))
def test_a_strip_has_readable_ink_on_its_band(seed: int) -> None:
    image = np.full((*SIZE, 3), 120, np.uint8)
    draw_strip(image, location(seed), AT, 14)
    band = image[-strip_height(SIZE[0]) :].astype(int)
    assert np.ptp(band) > 150
    assert (image[: -strip_height(SIZE[0])] == 120).all()


def test_another_time_is_another_strip() -> None:
    strips = []
    for at in (AT, AT.replace(second=6)):
        image = np.full((*SIZE, 3), 120, np.uint8)
        draw_strip(image, location(1), at, 14)
        strips.append(image)
    assert not np.array_equal(strips[0], strips[1])


def test_a_walker_moves_the_way_it_faces_and_a_standing_one_stays() -> None:
    place = location(7)
    walker = Subject("leopard", pose=Pose(0.0, 0.28))
    assert walked(walker, place, 1.0, SIZE).x > walker.x
    assert walked(replace(walker, faces_left=True), place, 1.0, SIZE).x < walker.x
    standing = replace(walker, pose=Pose(0.0, 0.0))
    assert walked(standing, place, 1.0, SIZE) == standing


def test_a_near_walker_crosses_the_frame_faster() -> None:
    place, walker = location(7), Subject("leopard", height=0.4)
    far = replace(walker, height=0.2)
    near_way, far_way = (walked(s, place, 1.0, SIZE).x - s.x for s in (walker, far))
    assert near_way == pytest.approx(2 * far_way)


def test_feet_do_not_slide() -> None:
    full_cycle = 4 * 0.28  # each foot swings from -stride to +stride and back
    assert step_phase(full_cycle, 0.28) == pytest.approx(2 * np.pi)
