from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip_device.motion.backgrounds import new_background

Algorithm = Literal["mog2", "average", "difference"]
ALGORITHMS: tuple[Algorithm, ...] = ("mog2", "average", "difference")


def _gray(level: int = 100, square: int | None = None, at: int = 20) -> NDArray[np.uint8]:
    image = np.full((90, 160), level, np.uint8)
    if square is not None:
        image[at : at + 20, at : at + 20] = square
    return image


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_still_scene_does_not_differ_from_itself(algorithm: Algorithm) -> None:
    background = new_background(algorithm)
    masks = [background.apply(_gray()) for _ in range(30)]
    assert not any(mask.any() for mask in masks)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_appears_differs_where_it_is_and_nowhere_else(algorithm: Algorithm) -> None:
    background = new_background(algorithm)
    for _ in range(30):
        background.apply(_gray())
    mask = background.apply(_gray(square=200))
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[20:40, 20:40] == 255).mean() > 0.9
    assert np.count_nonzero(mask) < 1.2 * 400


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_frame_differs_from_nothing(algorithm: Algorithm) -> None:
    assert not new_background(algorithm).apply(_gray(square=200)).any()


def test_the_average_does_not_learn_what_has_only_begun_to_move() -> None:
    background = new_background("average")
    for _ in range(20):
        background.apply(_gray())
    for _ in range(10):
        assert background.apply(_gray(square=200)).any()
    background.apply(_gray())
    assert not background.apply(_gray()).any()


def test_mog2_learns_what_stays() -> None:
    background = new_background("mog2")
    for _ in range(50):
        background.apply(_gray())
    masks = [background.apply(_gray(square=200)) for _ in range(400)]
    assert masks[0].any()
    assert not masks[-1].any()
