"""Wind: how far each pixel of a layer of plants is moved at a moment."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.noise import Field
from edgeclip.scenes.vegetation import Layer

_COARSE = 8  # the movement is computed on every eighth pixel and enlarged
_WAVES = ((0.45, 1.0, 0.5), (1.1, 2.6, 0.35), (2.4, 9.0, 0.22))  # Hz, waves a frame width, weight
_DRIFT = 0.02  # frame widths that sun spots wander in strong wind
_CALM = 0.06  # plants are never quite still


def swayed(layer: Layer, *, wind: float, time_s: float, phase: float) -> NDArray[np.uint8]:
    """Return a layer's pixels as the wind has moved them.

    Args:
        layer: Plants at rest.
        wind: 0 calm .. 1 strong.
        time_s: Moment; the movement is continuous in it.
        phase: Radians, so that layers do not move as one.

    Returns:
        `(H, W, 4)` uint8, premultiplied RGBA.
    """
    height, width = layer.flex.shape
    push_x, push_y = _push((height, width), max(wind, _CALM), time_s, phase)
    columns = np.arange(width, dtype=np.float32)[None, :] + push_x * layer.flex
    rows = np.arange(height, dtype=np.float32)[:, None] + push_y * layer.flex
    moved = cv2.remap(
        layer.pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def drifted(dapples: Field, *, wind: float, time_s: float) -> Field:
    """Return sun spots as they wander when the leaves that let them through move.

    Args:
        dapples: `(H, W)` float32, at rest.
        wind: 0 calm .. 1 strong.
        time_s: Moment.
    """
    height, width = dapples.shape
    right = wind * _DRIFT * width * np.sin(2 * np.pi * 0.4 * time_s)
    down = wind * _DRIFT * 0.5 * height * np.sin(2 * np.pi * 0.7 * time_s + 1)
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(dapples, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def _push(size: tuple[int, int], wind: float, time_s: float, phase: float) -> tuple[Field, Field]:
    """Return how far tips are pushed right and down, relative to their reach; about -1..1."""
    height, width = size
    coarse = (max(2, height // _COARSE), max(2, width // _COARSE))
    x = np.linspace(0, 1, coarse[1], dtype=np.float32)[None, :]
    y = np.linspace(0, 1, coarse[0], dtype=np.float32)[:, None]
    gust = 0.75 + 0.25 * np.sin(2 * np.pi * 0.13 * time_s + phase)
    across = np.zeros(coarse, np.float32)
    down = np.zeros(coarse, np.float32)
    for i, (rate, waves, weight) in enumerate(_WAVES):
        turn = 2 * np.pi * (rate * time_s - waves * x) + phase * (i + 1)
        across += weight * np.sin(turn + waves * 1.7 * y)
        down += 0.3 * weight * np.sin(turn * 1.3 + waves * 2.9 * y + 1)
    strength = np.float32(wind * gust)
    push_x, push_y = (
        np.asarray(cv2.resize(field * strength, (width, height)), np.float32)
        for field in (across, down)
    )
    return push_x, push_y
