"""The plants of a location in layers, from the tree line to the blades before the lens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes import plants
from edgeclip.scenes.locations import Location, location
from edgeclip.scenes.noise import Field, smooth_field
from edgeclip.scenes.plants import Brush
from edgeclip.scenes.shapes import Color
from edgeclip.scenes.terrain import draw_terrain, encode_nearness, hazed

_LAYERS_KEPT = 24  # locations whose plants stay in memory; one takes about 2 MB at 320x180


@dataclass(frozen=True)
class Layer:
    """Plants at about one distance.

    Attributes:
        distance_m: From the camera.
        pixels: `(H, W, 4)` uint8, premultiplied RGBA, unlit, at rest.
        flex: `(H, W)` float32, px that each pixel moves in the strongest wind.
        nearness: 0..255, of the whole layer.
    """

    distance_m: float
    pixels: NDArray[np.uint8]
    flex: Field
    nearness: float


@dataclass(frozen=True)
class Stage:
    """All of a location that does not depend on light, wind or animals.

    Attributes:
        terrain: `(H, W, 4)` uint8: RGB and nearness.
        layers: From the farthest to the nearest.
        dapples: `(H, W)` float32 0..1, where sun spots may lie.
    """

    terrain: NDArray[np.uint8]
    layers: tuple[Layer, ...]
    dapples: Field


@lru_cache(maxsize=_LAYERS_KEPT)
def stage(seed: int, size: tuple[int, int]) -> Stage:
    """Return the stage of a location at a size `(H, W)`; kept, for it takes a while to draw."""
    place = location(seed)
    drawn = [
        draw(place, size, purpose)
        for purpose, draw in enumerate((_tree_line, _thicket, _tufts, _foreground), start=20)
    ]
    terrain = draw_terrain(place, size)
    layers = sorted(drawn, key=lambda layer: -layer.distance_m)
    return Stage(terrain, tuple(layers), _dapples(place, terrain))


def _dapples(place: Location, terrain: NDArray[np.uint8]) -> Field:
    """Return soft-edged spots of sun on the ground, none in the distance or the sky."""
    size = terrain.shape[0], terrain.shape[1]
    spots = smooth_field(place.rng(30), size, (22, 16)) + smooth_field(place.rng(31), size, (5, 5))
    near = np.clip((terrain[..., 3].astype(np.float32) - 60) / 50, 0, 1)
    return np.asarray(np.clip((spots - 0.5) * 2, 0, 1) * near, np.float32)


Draw = Callable[[Location, tuple[int, int], int], Layer]


def _brush(place: Location, size: tuple[int, int], purpose: int) -> Brush:
    return Brush(np.zeros((*size, 4), np.uint8), np.zeros(size, np.float32), place.rng(purpose))


def _tinted(pair: tuple[Color, Color], distance_m: float, place: Location) -> tuple[Color, Color]:
    """Return two colours as the haze leaves them."""
    return _hazed_color(pair[0], distance_m, place), _hazed_color(pair[1], distance_m, place)


def _hazed_color(color: Color, distance_m: float, place: Location) -> Color:
    red, green, blue = hazed(np.array(color, np.float32), distance_m, place).tolist()
    return int(red), int(green), int(blue)


def _rooted_flex(size: tuple[int, int], root_row: float, tall: float, tip_px: float) -> Field:
    """Return how far plants rooted about `root_row` move: nothing there, `tip_px` at `tall`."""
    rows = np.arange(size[0], dtype=np.float32)[:, None]
    rise = np.clip((root_row - rows) / max(tall, 1.0), 0, 1.2) ** 1.5
    return np.asarray(np.broadcast_to(rise * tip_px, size), np.float32)


def _tree_line(place: Location, size: tuple[int, int], purpose: int) -> Layer:
    """Trees and bushes about the horizon, and trunks in a forest."""
    brush, (height, width) = _brush(place, size, purpose), size
    far, rng = 28.0, brush.rng
    pair = _tinted(place.palette.leaves, far, place)
    foot = place.foot_row(far, size)
    tall = height * (0.34 if place.biome == "forest" else 0.16)
    for _ in range(int(8 + 14 * place.density)):
        radius = tall * rng.uniform(0.3, 0.6)
        root = (rng.uniform(0, width), foot - rng.uniform(0, 0.5) * (tall - radius))
        plants.bush(brush, root, radius, pair, leaf=max(2.2, height * 0.016))
    bark = _tinted((place.palette.bark, place.palette.bark), 14.0, place)[0]
    for _ in range(place.trunks):
        foot_row = place.foot_row(rng.uniform(9, 20), size)
        plants.trunk(
            brush, rng.uniform(0, width), foot_row, width * rng.uniform(0.008, 0.028), bark
        )
    flex = _rooted_flex(size, foot, tall, height * 0.018)
    return Layer(far, brush.pixels, flex, float(encode_nearness(16.0)))


def _thicket(place: Location, size: tuple[int, int], purpose: int) -> Layer:
    """Bushes and tall grass behind where animals usually pass."""
    brush, (height, width) = _brush(place, size, purpose), size
    far, rng = 11.0, brush.rng
    pair = _tinted(place.palette.leaves, far, place)
    foot, metre = place.foot_row(far, size), place.pixels_per_m(far, width)
    for _ in range(int(rng.integers(2, 4) + 6 * place.density)):
        radius = metre * rng.uniform(0.35, 0.9)
        plants.bush(brush, (rng.uniform(0, width), foot), radius, pair, leaf=max(2.6, metre * 0.13))
    roots = _roots(rng, int(250 * place.density), width, (foot - 2, foot + height * 0.05))
    plants.grass(brush, roots, metre * 0.7, _tinted(place.palette.grass, far, place))
    flex = _rooted_flex(size, foot + height * 0.03, metre * 1.4, height * 0.05)
    return Layer(far, brush.pixels, flex, float(encode_nearness(far)))


def _tufts(place: Location, size: tuple[int, int], purpose: int) -> Layer:
    """Tufts of grass and low plants between which animals walk."""
    brush, (height, width) = _brush(place, size, purpose), size
    near, rng = 4.2, brush.rng
    foot, metre = place.foot_row(near, size), place.pixels_per_m(near, width)
    for _ in range(int(2 + 5 * place.density)):
        middle = rng.uniform(0, width)
        spread = rng.normal(0, metre * 0.16, (int(rng.integers(30, 70)), 1))
        rows = foot + rng.uniform(-0.02, 0.05, (len(spread), 1)) * height
        roots = np.concatenate([middle + spread, rows], 1).astype(np.float32)
        plants.grass(brush, roots, metre * rng.uniform(0.2, 0.5), place.palette.grass)
    if rng.random() < place.density:
        root = (rng.uniform(0, width), foot)
        plants.bush(brush, root, metre * rng.uniform(0.2, 0.45), place.palette.leaves,
                    leaf=metre * 0.07)  # fmt: skip
    flex = _rooted_flex(size, foot + height * 0.03, metre * 0.5, height * 0.08)
    return Layer(near, brush.pixels, flex, float(encode_nearness(near)))


def _foreground(place: Location, size: tuple[int, int], purpose: int) -> Layer:
    """Blades at the lower edge and, at some locations, a branch from above; out of focus."""
    brush, (height, width) = _brush(place, size, purpose), size
    near, rng = 1.6, brush.rng
    foot, metre = height * 1.02, place.pixels_per_m(near, width)
    side = rng.uniform(0, width)
    count = int(30 + 110 * place.density)
    columns = (side + rng.normal(0, 0.22 * width, count)) % width
    roots = np.stack([columns, np.full(count, foot)], 1).astype(np.float32)
    plants.grass(brush, roots, min(metre * rng.uniform(0.25, 0.5), height * 0.5),
                 place.palette.grass)  # fmt: skip
    flex = _rooted_flex(size, foot, height * 0.4, height * 0.13)
    if place.has_branch:
        flex = np.maximum(flex, _hang_branch(brush, place, size))
    blurred = cv2.GaussianBlur(brush.pixels, (0, 0), max(0.6, height * 0.0035))
    return Layer(near, np.asarray(blurred, np.uint8), flex, float(encode_nearness(near)))


def _hang_branch(brush: Brush, place: Location, size: tuple[int, int]) -> Field:
    """Draw twigs from the upper edge; return how far they move."""
    height, width = size
    rng, leaf = brush.rng, height * 0.075
    start = (rng.choice([0.0, 1.0]) * width, -height * 0.03)
    for _ in range(int(rng.integers(2, 5))):
        reach = rng.uniform(0.12, 0.34) * width * (1 if start[0] == 0 else -1)
        end = (start[0] + reach, rng.uniform(0.06, 0.34) * height)
        plants.branch(brush, start, end, leaf, place.palette.leaves)
    away = np.abs(np.arange(width, dtype=np.float32) - start[0])[None, :] / (0.34 * width)
    above = np.arange(height, dtype=np.float32)[:, None] < 0.5 * height
    return np.asarray(np.clip(away, 0, 1.2) * above * height * 0.11, np.float32)


def _roots(
    rng: np.random.Generator, count: int, width: int, rows: tuple[float, float]
) -> NDArray[np.float32]:
    columns, heights = rng.uniform(0, width, count), rng.uniform(*rows, count)
    return np.stack([columns, heights], 1).astype(np.float32)
