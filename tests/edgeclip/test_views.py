from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.views import LEAST_AREA, cropped, recoloured
from support.drawn_images import draw

FRAME = draw("leopard", 0)
MANY = 400


def _recoloured(pixels: NDArray[np.uint8], count: int = MANY) -> list[NDArray[np.float64]]:
    views = (recoloured(pixels, np.random.default_rng(seed)) for seed in range(count))
    return [view.astype(np.float64) for view in views]


def test_a_view_shows_half_of_the_region_or_more_in_a_shape_like_its_own() -> None:
    height, width = FRAME.shape[:2]
    parts = [cropped(FRAME, np.random.default_rng(seed)) for seed in range(MANY)]
    shares = np.asarray([p.shape[0] * p.shape[1] / (height * width) for p in parts])
    assert LEAST_AREA - 0.03 < shares.min() < LEAST_AREA + 0.05
    assert shares.max() > 0.95
    aspects = [p.shape[1] / p.shape[0] * height / width for p in parts]
    assert 0.72 < min(aspects) < 0.8
    assert 1.25 < max(aspects) < 1.38


def test_a_region_of_one_pixel_stays() -> None:
    one = FRAME[:1, :1]
    np.testing.assert_array_equal(cropped(one, np.random.default_rng(0)), one)


def test_a_fifth_of_the_views_is_grey_as_infrared_is() -> None:
    grey = [np.ptp(view, axis=2).max() == 0 for view in _recoloured(FRAME)]
    assert 0.15 < np.mean(grey) < 0.26


def test_a_quarter_of_the_views_is_blurred_and_a_quarter_has_other_colours() -> None:
    """An edge of two greys: only a blur makes further values; only a jitter tints them."""
    edge = np.full((96, 96, 3), 60, np.uint8)
    edge[:, 48:] = 120
    views = _recoloured(edge, 1500)
    assert 0.2 < np.mean([len(np.unique(view[..., 0])) > 2 for view in views]) < 0.31
    tinted = np.mean([np.ptp(view, axis=2).max() > 0 for view in views])
    assert 0.16 < tinted < 0.24  # a quarter, but for those that turned grey


def test_a_blur_keeps_a_plain_area_as_it_is() -> None:
    plain = np.full((96, 96, 3), 100, np.uint8)
    for view in _recoloured(plain, 60):
        assert np.ptp(view.reshape(-1, 3), axis=0).max() == 0
