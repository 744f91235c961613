"""Sky and ground of a location, unlit, with how near each pixel is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.locations import Location
from edgeclip.scenes.noise import Field, fractal_field

NEAR_M = 1.5  # what is nearer than this counts as this near
_SKY_M = 400.0
_HAZE_M = 90.0
_TEXTURE = 512  # side of the ground's texture, px
_PURPOSE = 1


def encode_nearness(distance_m: Field | float) -> Field:
    """Return distances as 0..255, 255 at `NEAR_M` and less; see `decode_nearness`."""
    ratio = np.sqrt(NEAR_M / np.maximum(np.asarray(distance_m, np.float32), NEAR_M))
    return np.asarray(255 * ratio, np.float32)


def decode_nearness(nearness: Field) -> Field:
    """Return the distances in metres of values from `encode_nearness`."""
    return np.asarray(NEAR_M / (np.maximum(nearness, 12) / 255) ** 2, np.float32)


def hazed(color: NDArray[np.float32], distance_m: float | Field, place: Location) -> Field:
    """Return colours mixed with the sky's, more with distance."""
    share = 1 - np.exp(-np.asarray(distance_m, np.float32) / _HAZE_M)
    sky = np.array(place.palette.sky, np.float32)
    return np.asarray(color + (sky - color) * share[..., None], np.float32)


def draw_terrain(place: Location, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return sky and ground of a location.

    Args:
        place: The location.
        size: `(H, W)`, px.

    Returns:
        `(H, W, 4)` uint8: RGB of the unlit surfaces, and nearness.
    """
    rng = place.rng(_PURPOSE)
    height, width = size
    ridge = place.horizon * height + height * 0.03 * fractal_field(rng, (1, width), (1, 4))[0]
    rows = np.arange(height, dtype=np.float32)[:, None]
    below = np.maximum(rows - place.horizon * height, 0.5)
    distance = place.camera_height_m * place.focal * width / below
    distance = np.broadcast_to(np.clip(distance, 0.3, 60), size).astype(np.float32)
    ground = hazed(_ground(place, rng, distance), distance, place)
    sky = _sky(place, rng, size)
    is_ground = rows >= ridge[None, :]
    canvas = np.empty((height, width, 4), np.float32)
    canvas[..., :3] = np.where(is_ground[..., None], ground, sky)
    canvas[..., 3] = encode_nearness(np.where(is_ground, distance, np.float32(_SKY_M)))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _sky(place: Location, rng: np.random.Generator, size: tuple[int, int]) -> Field:
    height = size[0]
    sky = np.array(place.palette.sky, np.float32)
    rise = np.linspace(0.82, 1.12, height, dtype=np.float32)[:, None]
    clouds = 1 + 0.08 * fractal_field(rng, size, (3, 4), 3)
    return np.asarray(sky * (rise * clouds)[..., None], np.float32)


def _ground(place: Location, rng: np.random.Generator, distance: Field) -> Field:
    """Return the ground's colours: turf and soil in patches, litter, and a path."""
    width = distance.shape[1]
    across = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / (place.focal * width)
    x_m = across * distance
    patches = _sampled(fractal_field(rng, (_TEXTURE, _TEXTURE), (12, 12), 3), x_m, distance, 12.0)
    litter = _sampled(fractal_field(rng, (_TEXTURE, _TEXTURE), (90, 90), 3), x_m, distance, 90.0)
    bare = np.clip(0.5 + 1.6 * patches + 0.6 * (0.6 - place.density), 0, 1)
    if place.path:
        bend = rng.uniform(-0.6, 0.6) + rng.uniform(-0.2, 0.2) * distance
        bare = np.maximum(bare, np.clip(1.6 - np.abs(x_m - bend) / 0.5, 0, 1))
    soil, turf = (np.array(c, np.float32) for c in (place.palette.soil, place.palette.turf))
    colors = turf + (soil - turf) * bare[..., None]
    detail = np.exp(-distance / 14)
    grain = 1 + (0.5 * litter * (0.35 + 0.65 * detail)) + 0.12 * patches
    return np.asarray(colors * np.clip(grain, 0.35, 1.6)[..., None], np.float32)


def _sampled(texture: Field, x_m: Field, z_m: Field, scale: float) -> Field:
    """Return a texture laid on the ground, `scale` pixels a metre; it repeats in mirror image."""
    column = (x_m * scale + _TEXTURE / 2).astype(np.float32)
    row = (np.broadcast_to(z_m, x_m.shape) * scale).astype(np.float32)
    laid = cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(laid, np.float32)
