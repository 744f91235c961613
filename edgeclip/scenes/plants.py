"""Outlines of single plants: blades, leaves, trunks and branches, drawn on a transparent layer."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.noise import Field
from edgeclip.scenes.shapes import Color

_SHIFT = 4


@dataclass(frozen=True)
class Brush:
    """Where plants are drawn.

    Attributes:
        pixels: `(H, W, 4)` uint8, premultiplied RGBA; starts transparent.
        flex: `(H, W)` float32, how far wind moves each pixel, relative to a tip in strong wind.
        rng: Randomness of the location.
    """

    pixels: NDArray[np.uint8]
    flex: Field
    rng: np.random.Generator


def _fill(brush: Brush, outlines: NDArray[np.float32], colors: NDArray[np.float32]) -> None:
    """Fill convex outlines `(N, P, 2)` px with RGB `(N, 3)`, in order."""
    fixed = np.round(outlines * 2**_SHIFT).astype(np.int32)
    for outline, (red, green, blue) in zip(fixed, colors.tolist(), strict=True):
        cv2.fillConvexPoly(brush.pixels, outline, (red, green, blue, 255), cv2.LINE_AA, _SHIFT)


def between(rng: np.random.Generator, pair: tuple[Color, Color], count: int) -> NDArray[np.float32]:
    """Return `count` colours `(N, 3)` between a dark and a light one."""
    dark, light = (np.array(c, np.float32) for c in pair)
    return np.asarray(dark + (light - dark) * rng.random((count, 1)), np.float32)


def grass(brush: Brush, roots: NDArray[np.float32], tall: float, pair: tuple[Color, Color]) -> None:
    """Draw a blade from each root `(N, 2)` px, about `tall` px high, far ones first."""
    rng = brush.rng
    roots = roots[np.argsort(roots[:, 1])]
    count = len(roots)
    rise = tall * rng.uniform(0.45, 1.0, count).astype(np.float32)
    lean = rise * rng.normal(0, 0.28, count).astype(np.float32)
    wide = np.maximum(0.9, tall * 0.016) * rng.uniform(0.7, 1.3, count).astype(np.float32)
    x, y = roots.T
    outlines = np.stack(
        [
            np.stack([x - wide, y], 1),
            np.stack([x + lean * 0.35 - wide * 0.8, y - rise * 0.6], 1),
            np.stack([x + lean, y - rise], 1),
            np.stack([x + lean * 0.35 + wide * 0.8, y - rise * 0.6], 1),
            np.stack([x + wide, y], 1),
        ],
        1,
    )
    _fill(brush, outlines, between(rng, pair, count))


def leaves(
    brush: Brush, centres: NDArray[np.float32], long: float, colors: NDArray[np.float32]
) -> None:
    """Draw a pointed leaf of about `long` px at each centre `(N, 2)`, in colours `(N, 3)`."""
    rng = brush.rng
    count = len(centres)
    angle = rng.uniform(0, 2 * np.pi, count)
    half = long * rng.uniform(0.35, 0.65, count)
    along = np.stack([np.cos(angle), np.sin(angle)], 1) * half[:, None]
    side = np.stack([-along[:, 1], along[:, 0]], 1) * 0.42
    outlines = np.stack([centres - along, centres + side, centres + along, centres - side], 1)
    _fill(brush, outlines.astype(np.float32), colors)


def bush(
    brush: Brush,
    root: tuple[float, float],
    radius: float,
    pair: tuple[Color, Color],
    *,
    leaf: float,
) -> None:
    """Draw a rounded bush: dark leaves inside and below, light ones above and in front."""
    rng = brush.rng
    count = int(np.clip(2.4 * (radius / leaf) ** 2, 30, 420))
    angle, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count)) * radius
    centres = np.stack([np.cos(angle) * reach * 1.15, np.sin(angle) * reach * 0.85], 1)
    centres = centres[np.argsort(rng.random(count) - centres[:, 1] / radius * 0.3)]
    light = np.clip(0.45 - 0.45 * centres[:, 1:] / radius + rng.normal(0, 0.2, (count, 1)), 0, 1)
    dark, bright = (np.array(c, np.float32) for c in pair)
    colors = (dark * 0.8 + (bright - dark * 0.8) * light).astype(np.float32)
    middle = np.array([root[0], root[1] - radius * 0.8], np.float32)
    leaves(brush, (centres + middle).astype(np.float32), leaf, colors)


def trunk(brush: Brush, x: float, foot: float, width: float, color: Color) -> None:
    """Draw a trunk from `foot` (row, px) out of the top of the frame, lit from one side."""
    lean = brush.rng.normal(0, 0.06) * foot
    strips = 6
    for i in range(strips):
        left, right = (x + width * ((i + k) / strips - 0.5) for k in (0, 1))
        outline = np.array(
            [[(left, foot), (left + lean, -2), (right + lean + 1, -2), (right + 1, foot)]],
            np.float32,
        )
        tone = (0.65 + 0.5 * np.sin(np.pi * (i + 0.5) / strips)) * brush.rng.uniform(0.85, 1.1)
        _fill(brush, outline, np.array([color], np.float32) * np.float32(tone))


def branch(brush: Brush, start: tuple[float, float], end: tuple[float, float], leaf: float,
           pair: tuple[Color, Color]) -> None:  # fmt: skip
    """Draw a twig with leaves along it."""
    rng = brush.rng
    count = 46
    share = rng.random((count, 1)) ** 0.8
    ends = np.array([start, end], np.float32)
    spread = rng.normal(0, leaf * 0.7, (count, 2))
    centres = (ends[0] + (ends[1] - ends[0]) * share + spread).astype(np.float32)
    thick = max(1, round(leaf * 0.12))
    cv2.line(
        brush.pixels,
        (round(start[0]), round(start[1])),
        (round(end[0]), round(end[1])),
        (70, 58, 46, 255),
        thick,
        cv2.LINE_AA,
    )
    leaves(brush, centres, leaf, between(rng, pair, count))
