"""Coats and outlines: patterns have the scale and place they should."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.scenes.bodies import FAR_SIDE, BodyPlan, Pose, quadruped
from edgeclip.scenes.coats import Coat, Grid, Pattern, paint
from edgeclip.scenes.noise import fractal_field, smooth_field
from edgeclip.scenes.shapes import bent_line, capsule, chain, closed_curve, ellipse

GRID = Grid(0.0, 1.0, 80.0, (80, 160))  # one shoulder height, two long
BASE = (200, 150, 90)


def painted(pattern: Pattern, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    coat = Coat(BASE, (10, 10, 10), pattern=pattern, mark_size=0.14)
    return paint(coat, GRID, np.random.default_rng(seed))


def test_a_plain_coat_keeps_its_colour() -> None:
    assert painted("plain").mean((0, 1)) == pytest.approx(BASE, rel=0.08)


@pytest.mark.parametrize("pattern", ["rosettes", "spots", "blotches", "stripes", "speckles"])
def test_marks_cover_a_part_of_the_coat(pattern: Pattern) -> None:
    dark = (painted(pattern)[..., 0] < 80).mean()
    assert 0.05 < dark < 0.65


def test_rosettes_are_rings_and_spots_are_discs() -> None:
    """On the flank, a ring has more edge for its dark area than a disc."""

    def edge_share(pattern: Pattern) -> float:
        dark = (painted(pattern)[:40, :, 0] < 100).astype(int)
        edges = np.abs(np.diff(dark, axis=0)).sum() + np.abs(np.diff(dark, axis=1)).sum()
        return float(edges / dark.sum())

    assert edge_share("rosettes") > 1.5 * edge_share("spots")


def test_stripes_stand_upright_on_the_flank_and_lie_on_the_legs() -> None:
    dark = (painted("stripes")[..., 0] < 100).astype(int)
    flank, legs = dark[:30], dark[55:]
    assert np.abs(np.diff(flank, axis=1)).sum() > 3 * np.abs(np.diff(flank, axis=0)).sum()
    assert np.abs(np.diff(legs, axis=0)).sum() > np.abs(np.diff(legs, axis=1)).sum()


def test_marks_repeat_with_the_seed() -> None:
    assert np.array_equal(painted("rosettes", 4), painted("rosettes", 4))
    assert not np.array_equal(painted("rosettes", 4), painted("rosettes", 5))


def test_a_belly_is_light_and_legs_are_not() -> None:
    coat = Coat((80, 60, 40), belly=(240, 240, 240), belly_line=0.6)
    rows = paint(coat, GRID, np.random.default_rng(0)).mean((1, 2))
    assert rows[42] > 2 * rows[5]  # y = 0.48: the belly
    assert rows[75] < 1.3 * rows[5]  # y = 0.06: the feet


@pytest.mark.parametrize("cells", [(1.0, 1.0), (4.0, 9.0), (300.0, 300.0)])
def test_noise_is_smooth_bounded_and_centred(cells: tuple[float, float]) -> None:
    for field in (
        smooth_field(np.random.default_rng(0), (50, 70), cells),
        fractal_field(np.random.default_rng(0), (50, 70), cells),
    ):
        assert field.shape == (50, 70)
        assert np.abs(field).max() < 2.5
    assert abs(float(field.mean())) < 0.6


def test_outlines_enclose_what_they_are_made_of() -> None:
    limb = capsule((0, 0), (2, 0), 0.5, 0.25)
    assert limb.min(0) == pytest.approx((-0.5, -0.5), abs=0.02)
    assert limb.max(0)[0] == pytest.approx(2.25, abs=0.02)
    assert ellipse((1, 2), (3, 1)).mean(0) == pytest.approx((1, 2), abs=1e-5)
    square = closed_curve([(0, 0), (1, 0), (1, 1), (0, 1)])
    assert square.mean(0) == pytest.approx((0.5, 0.5), abs=1e-5)


def test_a_bent_line_has_the_length_told_and_a_capsule_between_joints() -> None:
    joints = bent_line((0, 0), 2.0, [0.0, np.pi / 2])
    assert joints[-1] == pytest.approx((1, 1))
    assert len(chain(joints, [0.1, 0.1, 0.1])) == 2


def test_a_walking_animal_swings_its_legs_and_keeps_its_feet_off_the_depths() -> None:
    plan = BodyPlan()
    for phase in np.linspace(0, 2 * np.pi, 9):
        figure = quadruped(plan, Pose(float(phase), 0.3))
        lowest = min(float(part.outline[:, 1].min()) for part in figure.parts)
        assert -0.05 < lowest < 0.1
        assert {part.tone for part in figure.parts} >= {1.0, FAR_SIDE}


def test_a_feeding_animal_lowers_its_head() -> None:
    heights = [quadruped(BodyPlan(), Pose(head_drop=d)).head[0][1] for d in (0, 30, 60)]
    assert heights == sorted(heights, reverse=True)
