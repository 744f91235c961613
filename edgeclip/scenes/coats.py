"""Coats: colour patterns in body units, so that they ride on the body as it walks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.noise import fractal_field, smooth_field
from edgeclip.scenes.shapes import Color

Pattern = Literal["plain", "rosettes", "spots", "blotches", "stripes", "speckles"]
Texture = NDArray[np.float32]


@dataclass(frozen=True)
class Coat:
    """Colours and pattern of a coat.

    Attributes:
        base: Colour of the flank, RGB.
        mark: Colour of spots, stripes and the like.
        belly: Colour below `belly_line`.
        pattern: Kind of the marks.
        mark_size: Of one mark, shoulder heights.
        belly_line: Height below which the belly has its colour, shoulder heights; 0 for none.
        leg_tone: Brightness of the lower legs.
    """

    base: Color
    mark: Color = (20, 18, 16)
    belly: Color = (220, 210, 190)
    pattern: Pattern = "plain"
    mark_size: float = 0.08
    belly_line: float = 0.0
    leg_tone: float = 1.0


@dataclass(frozen=True)
class Grid:
    """Where a texture's pixels lie on the body.

    Attributes:
        left: x of the first column, body units.
        top: y of the first row, body units.
        scale: Pixels a body unit.
        shape: `(H, W)`, px.
    """

    left: float
    top: float
    scale: float
    shape: tuple[int, int]

    def heights(self) -> NDArray[np.float32]:
        """Return y of each row, `(H, 1)` float32, body units."""
        rows = np.arange(self.shape[0], dtype=np.float32)[:, None]
        return (self.top - rows / self.scale).astype(np.float32)


def paint(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    """Return the coat over a grid.

    Args:
        coat: Colours and pattern.
        grid: Which part of the body plane to paint.
        rng: Decides where each mark lies; the same generator state gives the same animal.

    Returns:
        `(H, W, 3)` float32 RGB, 0..255.
    """
    height, width = grid.shape
    texture = np.empty((height, width, 3), np.float32)
    texture[:] = coat.base
    y = grid.heights()
    if coat.belly_line > 0:
        under = (np.clip((coat.belly_line - y) / 0.06, 0, 1) * np.clip((y - 0.36) / 0.1, 0, 1))[
            ..., None
        ]
        texture += (np.array(coat.belly, np.float32) - texture) * under
    marks = _PATTERNS[coat.pattern](coat, grid, rng)
    if marks is not None:
        texture += (np.array(coat.mark, np.float32) - texture) * marks[..., None]
    fur = 1 + 0.1 * fractal_field(rng, grid.shape, (height / 24 + 1, width / 24 + 1), 3)
    legs = 1 - (1 - coat.leg_tone) * np.clip((0.4 - y) / 0.2, 0, 1)
    return np.asarray(texture * (fur * legs)[..., None], np.float32)


def _plain(coat: Coat, grid: Grid, rng: np.random.Generator) -> None:
    """No marks."""


def _centres(grid: Grid, spacing: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return jittered mark centres in a staggered lattice over the grid, px."""
    height, width = grid.shape
    step = max(spacing * grid.scale, 2.0)
    rows, columns = np.mgrid[-1 : height / step + 1, -1 : width / step + 1]
    x = (columns + 0.5 * (rows % 2)) * step
    points = np.stack([x.ravel(), (rows * step * 0.9).ravel()], 1)
    return (points + rng.uniform(-0.28, 0.28, points.shape) * step).astype(np.float32)


def _discs(
    coat: Coat, grid: Grid, rng: np.random.Generator, spacing: float, fill: float
) -> Texture:
    marks = np.zeros(grid.shape, np.uint8)
    radius = coat.mark_size * grid.scale * 0.5 * fill
    for x, y in _centres(grid, coat.mark_size * spacing, rng):
        axes = radius * rng.uniform(0.75, 1.25, 2)
        _ellipse(marks, (float(x), float(y)), (float(axes[0]), float(axes[1])), -1)
    return np.asarray(marks / np.float32(255), np.float32)


def _ellipse(
    marks: NDArray[np.uint8], centre: tuple[float, float], axes: tuple[float, float], line: int
) -> None:
    """Draw one anti-aliased ellipse, 1/16 px exact; `line` -1 fills."""
    at = (round(centre[0] * 16), round(centre[1] * 16))
    size = (max(round(axes[0] * 16), 4), max(round(axes[1] * 16), 4))
    cv2.ellipse(marks, at, size, 0.0, 0.0, 360.0, 255, line, cv2.LINE_AA, 4)


def _spots(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    return _discs(coat, grid, rng, spacing=1.9, fill=1.0)


def _speckles(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    return _discs(coat, grid, rng, spacing=2.1, fill=0.9)


def _blotches(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    """Few, irregular, faded marks, none on the lower legs: a hyena's."""
    marks = _discs(coat, grid, rng, spacing=2.1, fill=1.0)
    gaps = smooth_field(rng, grid.shape, (6, 8)) > -0.3
    return np.asarray(marks * gaps * 0.8 * (grid.heights() > 0.22), np.float32)


def _rosettes(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    """Broken dark rings on the flanks, solid spots on legs and underside: a leopard's."""
    size = coat.mark_size * grid.scale
    rings = np.zeros(grid.shape, np.uint8)
    line = max(1, round(size * 0.2))
    for x, y in _centres(grid, coat.mark_size * 1.4, rng):
        start = int(rng.integers(0, 360))
        axes = rng.uniform(0.34, 0.46, 2) * size * 16
        at, radii = (round(float(x) * 16), round(float(y) * 16)), (round(axes[0]), round(axes[1]))
        for arc in (0, 130, 245):
            cv2.ellipse(
                rings, at, radii, 0.0, start + arc, start + arc + 95, 255, line, cv2.LINE_AA, 4
            )
    solid = _discs(coat, grid, rng, spacing=1.2, fill=0.58)
    on_flank = np.clip((grid.heights() - 0.52) / 0.08, 0, 1)
    return np.asarray(rings / 255 * on_flank + solid * (1 - on_flank), np.float32)


def _stripes(coat: Coat, grid: Grid, rng: np.random.Generator) -> Texture:
    """Upright wavy stripes that turn level on the legs: a zebra's."""
    height, width = grid.shape
    columns = np.arange(width, dtype=np.float32)[None, :] / grid.scale
    warp = 0.07 * fractal_field(rng, grid.shape, (4, 6), 2)
    on_leg = np.clip((0.5 - grid.heights()) / 0.1, 0, 1)
    along = (columns + warp) * (1 - on_leg) + (grid.heights() * 1.4 + warp) * on_leg
    wave = np.sin(2 * np.pi * along / (2 * coat.mark_size)).astype(np.float32)
    sharp = grid.scale * coat.mark_size * 0.6
    return np.asarray(np.clip(wave * sharp * 0.5 + 0.5, 0, 1).reshape(height, width), np.float32)


_PATTERNS: dict[Pattern, Callable[[Coat, Grid, np.random.Generator], Texture | None]] = {
    "plain": _plain,
    "rosettes": _rosettes,
    "spots": _spots,
    "blotches": _blotches,
    "stripes": _stripes,
    "speckles": _speckles,
}
