from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip_device.motion.gate import GateResult, MotionGate
from edgeclip_device.motion.settings import MotionSettings
from support.drawn_clips import GREEN, crossing, ground, with_blob

STILL = ground()
FPS = 5.0


def _judge(gate: MotionGate, images: list[NDArray[np.uint8]], first: int = 0) -> list[GateResult]:
    return [gate.judge(image, (first + n) / FPS) for n, image in enumerate(images)]


def _settled(**settings: object) -> MotionGate:
    """Return a gate that has seen the still scene for 4 s."""
    gate = MotionGate(MotionSettings.model_validate(settings))
    _judge(gate, [STILL] * 20)
    return gate


def test_a_still_scene_is_gated_but_for_the_first_frame() -> None:
    gate = MotionGate(MotionSettings())
    results = _judge(gate, [STILL] * 50)
    assert [result.opens for result in results] == [True] + [False] * 49
    assert results[0].report.forced
    assert (gate.counts.frames, gate.counts.gated, gate.counts.forced) == (50, 49, 1)


@pytest.mark.parametrize("algorithm", ["mog2", "average", "difference"])
def test_a_crossing_animal_opens_the_gate_with_a_crop_around_it(algorithm: str) -> None:
    gate = _settled(algorithm=algorithm)
    results = _judge(gate, crossing()[30:90:2], first=20)
    opened = [result for result in results if result.opens]
    assert len(opened) >= 25
    last = opened[-1].crop
    assert last is not None
    x, y, width, height = last
    middle = (40 + 4 * 58) / 320
    assert abs(x + width / 2 - middle) < 45 / 320  # the difference sees the moving edges alone
    assert y <= 140 / 240 <= y + height


def test_one_frame_of_motion_is_not_enough() -> None:
    gate = _settled()
    results = _judge(gate, [with_blob(STILL, 100), STILL, STILL, with_blob(STILL, 100)], 20)
    assert [result.opens for result in results] == [False] * 4


def test_two_frames_of_three_are() -> None:
    gate = _settled()
    results = _judge(gate, [with_blob(STILL, 100), STILL, with_blob(STILL, 120)], 20)
    assert [result.opens for result in results] == [False, False, True]


def test_a_new_view_goes_through_once_and_what_was_learned_is_forgotten() -> None:
    gate = _settled()
    gate.begin_anew()
    results = _judge(gate, [with_blob(STILL, 100)] * 10, first=20)
    assert [result.opens for result in results] == [True] + [False] * 9
    assert gate.counts.recalibrations == 1


def test_a_frame_is_classified_every_minute_whatever_happens() -> None:
    gate = MotionGate(MotionSettings())
    forced = [n for n in range(700) if gate.judge(STILL, n / FPS).report.forced]
    assert forced == [0, 300, 600]


def test_a_flash_opens_for_one_frame_and_begins_anew() -> None:
    gate = _settled()
    bright = np.clip(STILL.astype(int) + 80, 0, 255).astype(np.uint8)
    results = _judge(gate, [bright] * 10, 20)
    assert [result.opens for result in results] == [True] + [False] * 9
    assert results[0].crop is None
    assert gate.counts.recalibrations == 1


def test_a_scene_that_changes_all_over_is_a_change_of_light() -> None:
    gate = _settled()
    other = STILL[::-1, :, ::-1].copy()
    other[::2] = 255 - other[::2]
    results = _judge(gate, [other] * 5, 20)
    assert gate.counts.recalibrations == 1
    assert [result.opens for result in results] == [True] + [False] * 4


def test_motion_inside_a_mask_does_not_count() -> None:
    masks = [[[0.0, 0.4], [1.0, 0.4], [1.0, 0.8], [0.0, 0.8]]]
    gate = _settled(masks=masks)
    assert not any(result.opens for result in _judge(gate, crossing()[30:90], 20))


def test_motion_outside_the_zones_does_not_count_and_inside_it_does() -> None:
    sky, path = (
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.3], [0.0, 0.3]],
        [[0, 0.3], [1, 0.3], [1, 1], [0, 1]],
    )
    assert not any(r.opens for r in _judge(_settled(zones=[sky]), crossing()[30:90], 20))
    assert any(r.opens for r in _judge(_settled(zones=[path]), crossing()[30:90], 20))
    masked = _settled(zones=[path], masks=[path])
    assert not any(result.opens for result in _judge(masked, crossing()[30:90], 20))


def test_a_change_of_light_is_told_by_what_no_mask_covers() -> None:
    masks = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]]
    gate = _settled(masks=masks)
    other = STILL.copy()
    other[120::2] = 255 - other[120::2]
    other[121::2] = np.clip(other[121::2].astype(int) - 60, 0, 255)
    other[:120] = np.clip(STILL[:120].astype(int) - 20, 0, 255)
    _judge(gate, [other], 20)
    assert gate.counts.recalibrations == 1


def test_a_held_gate_stays_open_for_the_frames_it_was_asked_for() -> None:
    gate = _settled()
    gate.hold(3)
    results = _judge(gate, [STILL] * 5, 20)
    assert [result.opens for result in results] == [True] * 3 + [False] * 2
    assert not any(result.report.forced for result in results)
    assert gate.counts.held == 3


def test_a_held_gate_looks_where_something_moved_last() -> None:
    gate = _settled()
    moved = _judge(gate, crossing()[30:60], 20)[-1]
    gate.hold(1)
    (held,) = _judge(gate, [STILL], 50)
    assert held.crop == moved.crop is not None


def test_a_gate_that_is_off_lets_everything_through() -> None:
    gate = MotionGate(MotionSettings(algorithm="off"))
    results = _judge(gate, [STILL] * 5)
    assert all(result.opens and result.crop is None for result in results)
    assert (gate.counts.opened, gate.counts.forced) == (5, 0)


@pytest.mark.parametrize(
    ("color", "light"), [(GREEN, "day"), ((20, 40, 20), "dusk"), ((90, 90, 90), "ir")]
)
def test_the_light_is_told_by_colours_and_brightness(
    color: tuple[int, int, int], light: str
) -> None:
    image = np.full((240, 320, 3), color, np.uint8)
    assert MotionGate(MotionSettings()).judge(image, 0.0).report.illumination == light


def test_one_hot_pixel_does_not_make_an_infrared_frame_a_coloured_one() -> None:
    image = np.full((180, 320, 3), 90, np.uint8)
    image[40, 40] = (255, 0, 0)
    assert MotionGate(MotionSettings()).judge(image, 0.0).report.illumination == "ir"


@pytest.mark.parametrize("shape", [(16, 16, 3), (1080, 1920, 3), (20, 2000, 3)])
def test_frames_of_any_size_are_judged(shape: tuple[int, int, int]) -> None:
    gate = MotionGate(MotionSettings())
    assert gate.judge(np.zeros(shape, np.uint8), 0.0).opens
    assert not gate.judge(np.zeros(shape, np.uint8), 0.2).opens


@pytest.mark.parametrize("shape", [(300, 400, 3), (240, 320, 3)])
def test_a_frame_of_a_new_size_goes_on(shape: tuple[int, int, int]) -> None:
    gate = MotionGate(MotionSettings())
    _judge(gate, [np.full((240, 320, 3), GREEN, np.uint8)] * 5)
    result = gate.judge(np.full(shape, GREEN, np.uint8), 1.0)
    assert not result.opens
    assert result.report.boxes == []


def test_reports_stay_within_the_contract() -> None:
    gate = _settled()
    for result in _judge(gate, crossing()[30:90], 20):
        assert len(result.report.boxes) <= 4
        assert all(0 <= value <= 1 for box in result.report.boxes for value in box)
