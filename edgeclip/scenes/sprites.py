"""A figure becomes pixels: coat, shading and a soft edge over a transparent ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.coats import Grid, paint
from edgeclip.scenes.shapes import Outline, Part
from edgeclip.scenes.species import Species

_SHIFT = 4  # OpenCV's fixed point: outlines are exact to 1/16 px
_PAD = 2
_FIGURE_SALT = 7919  # clothes and horns do not share randomness with the coat


@dataclass(frozen=True)
class Sprite:
    """A drawn figure.

    Attributes:
        pixels: `(h, w, 4)` uint8: RGB multiplied by alpha, and alpha.
        foot: `(x, y)` px in `pixels` of body point (middle, ground).
        eyes: `(x, y)` px of each eye.
    """

    pixels: NDArray[np.uint8]
    foot: tuple[float, float]
    eyes: tuple[tuple[float, float], ...]


def draw_sprite(
    species: Species,
    pose: Pose,
    *,
    scale: float,
    individual: int,
    faces_left: bool,
    yaw: float = 1.0,
) -> Sprite:
    """Return a figure drawn at a size.

    Args:
        species: Who.
        pose: How it stands.
        scale: Pixels a shoulder height.
        individual: Seed of the coat's marks, clothes or paint.
        faces_left: Mirrors the figure.
        yaw: Horizontal shortening of a figure that does not walk square to the camera, 0.5..1.
    """
    figure = species.figure(pose, np.random.default_rng([individual, _FIGURE_SALT]))
    points = np.concatenate([part.outline for part in figure.parts])
    low, high = points.min(0), points.max(0)
    width, height = (int(np.ceil(v * scale)) + 2 * _PAD for v in high - low)
    grid = Grid(float(low[0]) - _PAD / scale, float(high[1]) + _PAD / scale, scale, (height, width))
    coat = paint(species.coat, grid, np.random.default_rng(individual))
    pixels = _shade(_compose(figure.parts, coat, grid))
    eyes = [_to_pixels(np.array([eye], np.float32), grid)[0] for eye in figure.eyes]
    middle = float(np.mean((low[0], high[0])))
    foot = _to_pixels(np.array([(middle, 0.0)], np.float32), grid)[0]
    return _turn(pixels, [foot, *eyes], faces_left=faces_left, yaw=yaw)


def _to_pixels(outline: Outline, grid: Grid) -> Outline:
    return np.stack(
        [(outline[:, 0] - grid.left) * grid.scale, (grid.top - outline[:, 1]) * grid.scale], 1
    )


def _compose(parts: tuple[Part, ...], coat: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Return `(h, w, 4)` float32: premultiplied RGB 0..255 and alpha 0..1."""
    canvas = np.zeros((*grid.shape, 4), np.float32)
    groups: list[list[Part]] = []
    for part in parts:
        last = groups[-1][0] if groups else None
        if last is not None and (last.tone, last.color) == (part.tone, part.color):
            groups[-1].append(part)
        else:
            groups.append([part])
    for group in groups:
        _blend(canvas, group, coat, grid)
    return canvas


def _blend(
    canvas: NDArray[np.float32], group: list[Part], coat: NDArray[np.float32], grid: Grid
) -> None:
    """Lay parts of one tone and colour over the canvas, only where they are."""
    outlines = [_to_pixels(part.outline, grid) for part in group]
    points = np.concatenate(outlines)
    left, top = np.maximum(np.floor(points.min(0)).astype(int) - 1, 0)
    right, bottom = np.ceil(points.max(0)).astype(int) + 2
    window = canvas[top:bottom, left:right]
    mask = np.zeros(window.shape[:2], np.uint8)
    for outline in outlines:
        fixed = np.round((outline - (left, top)) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
    alpha = mask[..., None].astype(np.float32) / 255
    fill = (
        coat[top:bottom, left:right]
        if group[0].color is None
        else np.array(group[0].color, np.float32)
    )
    window *= 1 - alpha
    window[..., :3] += fill * np.float32(group[0].tone) * alpha
    window[..., 3:] += alpha


def _shade(canvas: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Darken towards the outline and the ground, so that flat outlines look round."""
    alpha = canvas[..., 3]
    inside = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(float(inside.max()), 1.0)
    round_ = 0.62 + 0.38 * np.sqrt(np.minimum(inside / reach, 1))
    rows = np.linspace(1.1, 0.8, canvas.shape[0], dtype=np.float32)[:, None]
    canvas[..., :3] *= (round_ * rows)[..., None]
    canvas[..., 3] *= 255
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _turn(
    pixels: NDArray[np.uint8], points: list[NDArray[np.float32]], *, faces_left: bool, yaw: float
) -> Sprite:
    height, width = pixels.shape[:2]
    narrow = max(3, round(width * yaw))
    if narrow != width:
        pixels = np.asarray(
            cv2.resize(pixels, (narrow, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    placed = [(float(x) * narrow / width, float(y)) for x, y in points]
    if faces_left:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        placed = [(narrow - 1 - x, y) for x, y in placed]
    return Sprite(pixels, placed[0], tuple(placed[1:]))
