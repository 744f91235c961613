from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip_device.capture.watch import Finding, FrameWatch
from support.drawn_clips import ground

BLACK = np.zeros((240, 320, 3), np.uint8)


def _infrared(seed: int) -> NDArray[np.uint8]:
    return np.repeat(ground(seed)[:, :, :1], 3, axis=2)


def _look(watch: FrameWatch, images: list[NDArray[np.uint8]]) -> list[Finding]:
    """Return what is found of one frame a second."""
    return [watch.look(image, float(second)) for second, image in enumerate(images)]


def test_a_living_scene_has_nothing_to_be_said_of() -> None:
    found = _look(FrameWatch(30.0), [ground(n) for n in range(40)])
    assert {(item.fault, item.is_new_view) for item in found} == {(None, False)}


def test_the_same_frame_for_too_long_is_frozen() -> None:
    found = _look(FrameWatch(30.0), [ground()] * 32)
    assert [item.fault for item in found[29:]] == [None, "camera_frozen", "camera_frozen"]
    assert found[31].since_s == 31


def test_a_clock_in_the_strip_does_not_hide_a_frozen_sensor() -> None:
    images = [ground() for _ in range(31)]
    for n, image in enumerate(images):
        image[-24:] = n
    assert _look(FrameWatch(30.0, (0, 24)), images)[-1].fault == "camera_frozen"
    assert _look(FrameWatch(30.0), images)[-1].fault is None


def test_black_without_texture_is_dark_and_noise_in_the_night_is_not() -> None:
    draw = np.random.default_rng(0)
    night = [draw.integers(0, 12, (240, 320, 3)).astype(np.uint8) // 2 for _ in range(12)]
    assert _look(FrameWatch(30.0), [ground(), *[BLACK] * 11])[-1].fault == "camera_dark"
    assert _look(FrameWatch(30.0), night)[-1].fault is None


def test_a_moment_of_black_is_no_fault() -> None:
    found = _look(FrameWatch(30.0), [ground(0), *[BLACK] * 9, ground(1), *[BLACK] * 9])
    assert {item.fault for item in found} == {None}


def test_what_was_while_the_camera_rested_does_not_count() -> None:
    watch = FrameWatch(30.0)
    watch.look(ground(), 0.0)
    watch.begin_anew()
    assert watch.look(ground(), 1000.0).fault is None
    watch.begin_anew()
    assert watch.look(BLACK, 2000.0).fault is None


def test_infrared_shows_in_the_colours_after_three_frames_and_goes_again() -> None:
    watch = FrameWatch(30.0)
    light = [ground(0), _infrared(1), _infrared(2), _infrared(3), _infrared(4)]
    found = _look(watch, [*light, ground(5), ground(6), ground(7)])
    assert [item.is_new_view for item in found] == [False] * 3 + [True] + [False] * 3 + [True]
    assert (watch.is_infrared, watch.infrared_switches) == (False, 2)


def test_one_frame_without_colour_is_no_switch() -> None:
    watch = FrameWatch(30.0)
    _look(watch, [ground(0), _infrared(1), ground(2), _infrared(3), ground(4)])
    assert watch.infrared_switches == 0


def test_another_size_is_a_new_view() -> None:
    watch = FrameWatch(30.0)
    found = _look(watch, [ground(0), ground(1, (48, 64)), ground(2, (48, 64))])
    assert [item.is_new_view for item in found] == [False, True, False]
    assert (watch.size, watch.size_changes) == ((48, 64), 1)
