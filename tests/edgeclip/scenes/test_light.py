"""Light and camera: flash, dusk, sun spots, noise and compression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.scenes.light import Light, draw_eyeshine, expose, illuminate
from edgeclip.scenes.locations import location
from edgeclip.scenes.terrain import decode_nearness, encode_nearness

PLACE = location(1)
DARK = np.zeros((40, 60), np.float32)


def surface(distance_m: float, grey: int = 150) -> NDArray[np.uint8]:
    canvas = np.full((40, 60, 4), grey, np.uint8)
    canvas[..., 3] = np.uint8(encode_nearness(distance_m))
    return canvas


def brightness(light: Light, distance_m: float = 5.0) -> float:
    return float(illuminate(surface(distance_m), light, PLACE, DARK).mean())


def test_the_flash_reaches_the_near_and_not_the_far() -> None:
    near, middle, far = (brightness(Light("infrared"), d) for d in (2.0, 6.0, 40.0))
    assert near > middle > far
    assert far < 12


def test_daylight_does_not_depend_on_distance() -> None:
    assert brightness(Light("day"), 2.0) == brightness(Light("day"), 40.0)


def test_dusk_is_darker_than_day_and_bluish() -> None:
    dusk = illuminate(surface(5.0), Light("dusk"), PLACE, DARK)
    assert dusk.mean() < 0.6 * brightness(Light("day"))
    assert dusk[..., 2].mean() > dusk[..., 0].mean()


def test_sun_spots_are_brighter_than_their_surroundings() -> None:
    dapples = DARK.copy()
    dapples[10:20, 10:20] = 1
    lit = illuminate(surface(5.0), Light("day", sun=1.0), PLACE, dapples)
    assert lit[15, 15].mean() > 1.5 * lit[30, 30].mean()


def test_the_flash_is_strongest_in_the_middle() -> None:
    lit = illuminate(surface(5.0), Light("infrared"), PLACE, DARK)[..., 0]
    assert lit[23, 30] > 1.2 * max(lit[0, 0], lit[-1, -1])


@pytest.mark.parametrize("distance_m", [1.5, 3.0, 8.0, 25.0, 60.0])
def test_nearness_keeps_distances_to_a_few_percent(distance_m: float) -> None:
    stored = np.round(encode_nearness(distance_m))
    assert float(decode_nearness(np.float32(stored))) == pytest.approx(distance_m, rel=0.04)


def test_infrared_noise_has_no_colour_and_repeats_with_its_generator() -> None:
    lit = np.full((40, 60, 1), 90, np.float32)
    first, second = (expose(lit, Light("infrared"), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (40, 60, 3)
    assert np.ptp(first.astype(int), axis=2).max() == 0
    assert 2 < first.std() < 12


def test_strong_compression_changes_more_than_weak() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (48, 64, 3)).astype(np.float32)
    weak, strong = (
        expose(image, replace(Light("day"), jpeg_quality=q), np.random.default_rng(1)).astype(int)
        for q in (100, 20)
    )
    reference = expose(image, Light("day", jpeg_quality=99), np.random.default_rng(1))
    assert np.abs(strong - reference).mean() > 3 * np.abs(weak - reference).mean()


def test_eyes_shine_where_they_are() -> None:
    image = np.zeros((40, 60, 1), np.float32)
    draw_eyeshine(image, [(20.0, 10.0)], radius=1.5)
    assert image[10, 20, 0] >= 255
    assert image[30:, 40:].max() == 0
