"""Figures: every species draws, coats ride on bodies, poses move limbs."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.species import SPECIES
from edgeclip.scenes.sprites import Sprite, draw_sprite


def drawn(name: str, individual: int = 1, phase: float = 0.0, yaw: float = 1.0) -> Sprite:
    return draw_sprite(
        SPECIES[name],
        Pose(phase, 0.25),
        scale=60,
        individual=individual,
        faces_left=False,
        yaw=yaw,
    )


@pytest.mark.parametrize("name", sorted(SPECIES))
def test_every_species_draws_a_figure_as_high_as_told(name: str) -> None:
    sprite = drawn(name)
    rows = np.flatnonzero(sprite.pixels[..., 3].any(1))
    assert 0.8 * 60 < rows[-1] - rows[0] < 2.2 * 60
    assert sprite.foot[1] == pytest.approx(rows[-1], abs=5)


@pytest.mark.parametrize("name", sorted(SPECIES))
def test_colour_is_premultiplied_and_never_exceeds_alpha(name: str) -> None:
    pixels = drawn(name).pixels.astype(int)
    assert (pixels[..., :3].max(2) <= pixels[..., 3] + 2).all()


def test_a_figure_facing_left_is_the_mirror_image() -> None:
    right = drawn("leopard")
    left = draw_sprite(SPECIES["leopard"], Pose(0.0, 0.25), scale=60, individual=1, faces_left=True)
    assert np.array_equal(left.pixels, right.pixels[:, ::-1])
    assert left.eyes[0][0] == pytest.approx(right.pixels.shape[1] - 1 - right.eyes[0][0])


def test_individuals_have_the_same_outline_and_other_marks() -> None:
    first, second = drawn("leopard", individual=1), drawn("leopard", individual=2)
    assert np.array_equal(first.pixels[..., 3], second.pixels[..., 3])
    assert np.abs(first.pixels.astype(int) - second.pixels).mean() > 3


def test_marks_stay_on_the_flank_while_legs_walk() -> None:
    now, later = drawn("leopard"), drawn("leopard", phase=2 * pi)
    assert np.array_equal(now.pixels, later.pixels)
    assert not np.array_equal(now.pixels, drawn("leopard", phase=pi / 2).pixels)


def test_a_spotted_coat_has_more_contrast_than_a_plain_one() -> None:
    contrast = {}
    for name in ("leopard", "lion"):
        pixels = drawn(name).pixels
        middle = pixels[:, pixels.shape[1] // 3 : pixels.shape[1] // 2]
        flank = middle[middle[..., 3] == 255].astype(int)
        contrast[name] = flank[:, 1].std()
    assert contrast["leopard"] > 2 * contrast["lion"]


def test_a_turned_figure_is_narrower_and_as_high() -> None:
    square, turned = drawn("zebra"), drawn("zebra", yaw=0.6)
    assert turned.pixels.shape[0] == square.pixels.shape[0]
    assert turned.pixels.shape[1] == pytest.approx(0.6 * square.pixels.shape[1], abs=1)
