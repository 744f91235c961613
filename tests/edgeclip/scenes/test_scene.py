"""A rendered frame agrees with its specification and with its own truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.light import Light
from edgeclip.scenes.sampling import sample_scene
from edgeclip.scenes.scene import Scene, render
from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.strip import strip_height
from edgeclip.scenes.subjects import SceneSpec, Subject

SIZE = (180, 320)
LEOPARD = Subject("leopard", x=0.5, height=0.35, pose=Pose(0.8, 0.28, 0.0))
CLEAN = Light(jpeg_quality=100, sun=0.0)  # pixels differ only where something is


def random_specs(count: int) -> list[SceneSpec]:
    rng = np.random.default_rng(5)
    names = [BLANK, *SPECIES]
    return [sample_scene(rng, names[i % len(names)], i % 4, night=i % 2 == 0) for i in range(count)]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render(spec, size=SIZE) for spec in random_specs(32)]


def test_the_same_specification_gives_the_same_pixels_and_words() -> None:
    spec = random_specs(2)[1]
    first, second = render(spec, size=SIZE), render(spec, size=SIZE)
    assert np.array_equal(first.image, second.image)
    assert (first.boxes, first.caption) == (second.boxes, second.caption)


def test_another_seed_changes_the_noise_but_not_the_truth() -> None:
    spec = replace(random_specs(2)[1], strip=False)
    first, second = render(spec, size=SIZE), render(replace(spec, seed=spec.seed + 1), size=SIZE)
    assert not np.array_equal(first.image, second.image)
    assert first.boxes == second.boxes


@pytest.mark.parametrize("size", [(180, 320), (360, 640), (240, 320), (75, 101)])
def test_a_frame_has_the_size_asked_for(size: tuple[int, int]) -> None:
    image = render(SceneSpec(1, subjects=(LEOPARD,)), size=size).image
    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8


def test_boxes_lie_inside_the_frame(scenes: list[Scene]) -> None:
    boxes = [box for scene in scenes for box in scene.boxes]
    assert len(boxes) > 20
    for x, y, wide, tall in boxes:
        assert min(x, y) >= 0
        assert min(wide, tall) > 0
        assert max(x + wide, y + tall) <= 1 + 1e-9


def test_visible_shares_are_parts(scenes: list[Scene]) -> None:
    shares = [share for scene in scenes for share in scene.visible]
    assert all(0 < share <= 1 for share in shares)
    assert min(shares) < 0.9  # plants and the frame's edge do hide something


@pytest.mark.parametrize("species", sorted(SPECIES))
def test_what_an_animal_changes_lies_in_its_box(species: str) -> None:
    subject = replace(LEOPARD, species=species)
    spec = SceneSpec(2, replace(CLEAN, kind="infrared"), (subject,), wind=0.0, strip=False)
    scene = render(spec, size=SIZE)
    empty = render(replace(spec, subjects=()), size=SIZE)
    changed = np.abs(scene.image.astype(int) - empty.image).max(2) > 24
    inside = np.zeros_like(changed)
    x, y, wide, tall = scene.boxes[0]
    left, top = int(x * SIZE[1]) - 4, int(y * SIZE[0]) - 4  # the lens blurs, eyes have a halo
    right, bottom = int((x + wide) * SIZE[1]) + 5, int((y + tall) * SIZE[0]) + 5
    inside[max(top, 0) : bottom, max(left, 0) : right] = True
    assert changed.sum() > 0.15 * inside.sum()
    assert not (changed & ~inside).any()


def test_infrared_frames_have_equal_channels(scenes: list[Scene]) -> None:
    infrared = [s.image for s in scenes if "infrared" in s.facts]
    assert len(infrared) > 8
    for image in infrared:
        assert np.array_equal(image[..., 0], image[..., 1])
        assert np.array_equal(image[..., 0], image[..., 2])


def test_daylight_frames_have_colour(scenes: list[Scene]) -> None:
    coloured = [s.image.astype(int) for s in scenes if "day" in s.facts]
    assert all(np.abs(image[..., 0] - image[..., 2]).mean() > 4 for image in coloured)


def test_the_night_is_lit_by_the_flash_near_and_dark_far() -> None:
    image = render(SceneSpec(2, Light("infrared"), strip=False), size=SIZE).image
    assert image[120:].mean() > 4 * image[:30].mean()


def test_a_location_keeps_its_background_and_differs_from_the_next() -> None:
    spec = SceneSpec(3, CLEAN, wind=0.0, strip=False)
    now, later = (render(replace(spec, time_s=t), size=SIZE).image.astype(int) for t in (0, 90))
    elsewhere = render(replace(spec, location=4), size=SIZE).image
    assert np.abs(now - later).mean() < 0.2 * np.abs(now - elsewhere).mean()


def test_wind_moves_plants_and_not_the_sky() -> None:
    spec = SceneSpec(3, CLEAN, wind=1.0, strip=False)
    calm, windy = (
        np.abs(
            render(replace(spec, wind=wind, time_s=1.3), size=SIZE).image.astype(int)
            - render(replace(spec, wind=wind), size=SIZE).image
        )
        for wind in (0.0, 1.0)
    )
    assert windy.mean() > 2 * calm.mean()
    assert windy[:10].mean() < 0.5 * windy[90:].mean()


def test_a_nearer_animal_stands_lower_in_the_frame() -> None:
    near, far = (
        render(SceneSpec(5, subjects=(replace(LEOPARD, height=h),), strip=False), size=SIZE)
        for h in (0.4, 0.2)
    )
    assert near.boxes[0][1] + near.boxes[0][3] > far.boxes[0][1] + far.boxes[0][3]


def test_an_animal_outside_the_frame_is_no_label() -> None:
    scene = render(SceneSpec(1, subjects=(replace(LEOPARD, x=2.0),)), size=SIZE)
    assert (scene.boxes, scene.label) == ((), BLANK)
    assert BLANK in scene.facts


def test_the_nearest_of_two_names_the_frame() -> None:
    far = replace(LEOPARD, species="zebra", x=0.25, height=0.2)
    near = replace(LEOPARD, species="mongoose", x=0.7, height=0.15)
    scene = render(SceneSpec(1, subjects=(near, far), wind=0.0), size=(360, 640))
    assert scene.labels == ("zebra", "mongoose")
    assert scene.label == "mongoose"


def test_the_strip_covers_the_lowest_rows_and_nothing_else() -> None:
    with_strip = SceneSpec(1, CLEAN, wind=0.0)
    plain = render(replace(with_strip, strip=False), size=SIZE).image
    image = render(with_strip, size=SIZE).image
    rows = strip_height(SIZE[0])
    assert np.array_equal(image[:-rows], plain[:-rows])
    assert not np.array_equal(image[-rows:], plain[-rows:])


def test_no_box_reaches_into_the_strip() -> None:
    spec = SceneSpec(1, subjects=(replace(LEOPARD, height=1.2),))
    _, y, _, tall = render(spec, size=SIZE).boxes[0]
    assert y + tall <= 1 - strip_height(SIZE[0]) / SIZE[0] + 1e-9


def test_a_frame_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 px"):
        render(SceneSpec(1), size=(16, 320))


def test_a_negative_location_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        render(SceneSpec(-1), size=SIZE)


def test_an_unknown_label_cannot_be_sampled_and_the_known_are_named() -> None:
    with pytest.raises(ValueError, match="'dragon' cannot be rendered: known are blank, leopard"):
        sample_scene(np.random.default_rng(0), "dragon", 1, night=False)
