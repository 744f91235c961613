"""Noise that the classifier's verdicts teach, on drawn scenes: a bush that sways, and an animal."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip_device.motion.gate import GateResult, MotionGate
from edgeclip_device.motion.learned_noise import BASE, CAP, CELLS, Audit, NoiseMap
from edgeclip_device.motion.settings import MotionSettings
from support.drawn_clips import ground, with_blob

FPS = 5.0
Images = list[NDArray[np.uint8]]


def _bush(number: int) -> NDArray[np.uint8]:
    """Return ground with a few leaves that jump about in the right third."""
    image, draw = ground(), np.random.default_rng(number)
    for _ in range(25):
        x, y = int(draw.integers(225, 315)), int(draw.integers(10, 230))
        cv2.circle(image, (x, y), 4, (200, 220, 190), -1)
    return image


def _run(
    gate: MotionGate, images: Images, first: int = 0, *, blank: bool = True
) -> list[GateResult]:
    """Judge images, and tell the gate what a classifier says of those that it lets through."""
    results = []
    for n, image in enumerate(images):
        results.append(gate.judge(image, (first + n) / FPS))
        if results[-1].opens:
            gate.heed(is_blank=blank, is_seen=not blank)
    return results


def _gate(**settings: object) -> MotionGate:
    return MotionGate(MotionSettings.model_validate({"algorithm": "average", **settings}))


def _mask(cell: tuple[int, int], px: int) -> NDArray[np.uint8]:
    """Return a mask in which so many pixels of one cell have changed."""
    mask = np.zeros((180, 320), np.uint8)
    part = np.zeros(400, np.uint8)
    part[:px] = 255
    row, column = cell
    mask[row * 20 : row * 20 + 20, column * 20 : column * 20 + 20] = part.reshape(20, 20)
    return mask


def test_a_bush_that_was_called_blank_no_longer_opens_the_gate() -> None:
    gate, plain = _gate(learned_noise=True), _gate()
    images = [_bush(n) for n in range(300)]
    taught, untaught = _run(gate, images), _run(plain, images)
    assert sum(result.opens for result in untaught[100:]) > 190
    assert sum(result.opens for result in taught[100:]) < 20
    assert gate.counts.suppressed > 150


def test_an_animal_beside_the_bush_still_does() -> None:
    gate = _gate(learned_noise=True)
    _run(gate, [_bush(n) for n in range(200)])
    walking = [with_blob(_bush(n), 40 + 4 * n) for n in range(30)]
    results = _run(gate, walking, 200, blank=False)
    assert all(result.opens for result in results[2:])


def test_frames_that_are_not_called_blank_teach_nothing() -> None:
    gate = _gate(learned_noise=True)
    results = _run(gate, [_bush(n) for n in range(200)], blank=False)
    assert sum(result.opens for result in results[20:]) > 170


def test_no_cell_is_allowed_more_than_four_times_its_base() -> None:
    noise = NoiseMap()
    for _ in range(500):
        noise.without_noise(_mask((4, 8), 400), 0.0)
        noise.teach()
    assert noise.allowance.max() == pytest.approx(CAP * BASE)
    assert noise.allowance[0, 0] == 0
    assert noise.without_noise(_mask((4, 8), 400), 0.0).any()
    assert noise.allowance.shape == CELLS


def test_what_is_allowed_decays_when_the_wind_drops() -> None:
    noise = NoiseMap()
    for n in range(100):
        noise.without_noise(_mask((4, 8), 60), float(n))
        noise.teach()
    before = noise.allowance[4, 8]
    assert not noise.without_noise(_mask((4, 8), 60), 100.0).any()
    for n in range(600):  # two minutes
        noise.without_noise(np.zeros((180, 320), np.uint8), 101.0 + n)
    assert noise.allowance[4, 8] < 0.25 * before
    assert noise.without_noise(_mask((4, 8), 60), 800.0).any()


def test_nothing_is_allowed_for_some_time_after_a_change_of_light() -> None:
    noise = NoiseMap()
    for n in range(100):
        noise.without_noise(_mask((4, 8), 60), float(n))
        noise.teach()
    noise.suspend(100.0)
    assert noise.without_noise(_mask((4, 8), 60), 129.0).any()
    assert not noise.without_noise(_mask((4, 8), 60), 131.0).any()


def test_a_flash_suspends_what_a_gate_has_learned() -> None:
    gate = _gate(learned_noise=True)
    _run(gate, [_bush(n) for n in range(200)])
    bright = [np.clip(_bush(n).astype(int) + 60, 0, 255).astype(np.uint8) for n in range(40)]
    results = _run(gate, bright, 200, blank=False)
    assert gate.counts.recalibrations == 1
    assert sum(result.opens for result in results[3:]) > 30


def test_the_audit_looks_at_one_held_back_frame_a_minute_and_at_one_in_a_hundred() -> None:
    minute, share = Audit(60.0), Audit(1e9)
    assert sum(minute.picks(n / 5) for n in range(300)) >= 1
    assert 60 <= sum(share.picks(n / 5) for n in range(10_000)) <= 140


def test_an_audit_that_finds_something_is_counted_and_opens_that_place_again() -> None:
    gate = _gate(learned_noise=True, audit_every_s=20.0)
    _run(gate, [_bush(n) for n in range(200)])
    results: list[GateResult] = []
    number = 200
    while not (results and results[-1].report.audited):
        results += _run(gate, [_bush(number)], number, blank=False)
        number += 1
        assert number < 320
    assert gate.counts.audit_hits == 1
    assert results[-1].crop is not None
    after = _run(gate, [_bush(n) for n in range(number, number + 10)], number, blank=False)
    assert sum(result.opens for result in after) > 5


def test_audited_frames_are_counted_apart_and_every_frame_once() -> None:
    gate = _gate(learned_noise=True, audit_every_s=5.0)
    results = _run(gate, [_bush(n) for n in range(400)])
    counts = gate.counts
    assert counts.audited == sum(result.report.audited for result in results) >= 5
    assert counts.audit_hits == 0
    assert counts.frames == 400
    assert (
        counts.gated + counts.opened + counts.forced + counts.held + counts.audited == counts.frames
    )


def test_without_learned_noise_nothing_is_suppressed() -> None:
    gate = _gate()
    _run(gate, [_bush(n) for n in range(50)])
    assert (gate.counts.suppressed, gate.counts.audited) == (0, 0)
