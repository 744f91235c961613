"""Wind: strong wind moves tips far, roots never, and the movement is continuous."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.vegetation import Layer, stage
from edgeclip.scenes.wind import drifted, swayed

SIZE = (120, 200)


def striped_layer() -> Layer:
    """Upright stripes that bend the more the higher they are, rooted at the lower edge."""
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[:, ::8] = 255
    rise = np.linspace(1, 0, SIZE[0], dtype=np.float32)[:, None]
    return Layer(3.0, pixels, np.ascontiguousarray(np.broadcast_to(rise * 12, SIZE)), 200.0)


def moved(wind: float, time_s: float) -> NDArray[np.int64]:
    return swayed(striped_layer(), wind=wind, time_s=time_s, phase=0.0).astype(np.int64)


def test_roots_stay_and_tips_move() -> None:
    change = np.abs(moved(1.0, 0.7) - striped_layer().pixels).mean((1, 2))
    assert change[:20].mean() > 20
    assert change[-1] < 2


def test_strong_wind_moves_more_than_a_breeze() -> None:
    rest = striped_layer().pixels
    strong, weak = (np.abs(moved(w, 0.7) - rest).mean() for w in (1.0, 0.1))
    assert strong > 1.5 * weak


def test_the_movement_is_continuous_in_time() -> None:
    at_once, later = (np.abs(moved(1.0, 0.7 + dt) - moved(1.0, 0.7)).mean() for dt in (0.01, 0.5))
    assert at_once < 0.2 * later


def test_sun_spots_wander_only_in_wind() -> None:
    dapples = stage(9006, SIZE).dapples
    calm, windy = (drifted(dapples, wind=w, time_s=0.5) for w in (0.0, 1.0))
    assert np.abs(calm - dapples).max() < 1e-4
    assert np.abs(windy - dapples).mean() > 0.005


def test_layers_stand_from_far_to_near_and_their_colour_never_exceeds_alpha() -> None:
    layers = stage(9006, SIZE).layers
    assert [x.distance_m for x in layers] == sorted((x.distance_m for x in layers), reverse=True)
    for layer in layers:
        pixels = layer.pixels.astype(int)
        assert pixels[..., 3].max() == 255
        assert (pixels[..., :3].max(2) <= pixels[..., 3] + 1).all()
