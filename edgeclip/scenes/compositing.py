"""Lays plants and figures over the terrain, from far to near, and keeps who is visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.light import Image
from edgeclip.scenes.locations import location
from edgeclip.scenes.sprites import Sprite, draw_sprite
from edgeclip.scenes.subjects import Box, SceneSpec, Subject
from edgeclip.scenes.terrain import encode_nearness
from edgeclip.scenes.vegetation import stage
from edgeclip.scenes.wind import swayed

_OPAQUE = 128  # of 255: a pixel of a figure counts from here
_SHADOW = 0.5  # how much light a full shadow takes
_RUN_BLUR = 0.014  # motion blur of a figure at full stride, of its width


@dataclass(frozen=True)
class Placed:
    """A figure in the frame.

    Attributes:
        subject: Who.
        shown: `(H, W)` uint8 0..255, the figure's pixels that no plant hides.
        box: Around the figure as far as it lies inside the frame, plants disregarded; None where
            it is outside.
        area_px: Pixels of the whole figure, those outside the frame too.
        eyes: `(x, y)` px.
        distance_m: From the camera.
    """

    subject: Subject
    shown: NDArray[np.uint8]
    box: Box | None
    area_px: int
    eyes: tuple[tuple[float, float], ...]
    distance_m: float


def compose(spec: SceneSpec, size: tuple[int, int]) -> tuple[Image, list[Placed]]:
    """Return the unlit canvas `(H, W, 4)` (RGB and nearness) and the figures on it.

    Args:
        spec: What to show.
        size: `(H, W)`, px.
    """
    place, drawn = location(spec.location), stage(spec.location, size)
    canvas = drawn.terrain.copy()
    placed: list[Placed] = []
    waiting = sorted(spec.subjects, key=lambda s: -s.distance_m(place, size))
    for index, layer in enumerate(drawn.layers):
        while waiting and waiting[0].distance_m(place, size) >= layer.distance_m:
            placed.append(_place(canvas, waiting.pop(0), spec))
        moved = swayed(layer, wind=spec.wind, time_s=spec.time_s, phase=1.7 * index)
        _cover(canvas, moved, layer.nearness)
        for figure in placed:
            np.multiply(figure.shown, moved[..., 3] < _OPAQUE, out=figure.shown)
    placed.extend(_place(canvas, subject, spec) for subject in waiting)
    return canvas, placed


def _cover(canvas: Image, pixels: Image, nearness: float) -> None:
    """Lay premultiplied RGBA over the canvas; its nearness becomes the layer's."""
    alpha = pixels[..., 3]
    keep = cv2.merge([255 - alpha] * 4)
    top = pixels.copy()
    top[..., 3] = cv2.convertScaleAbs(alpha, alpha=nearness / 255)
    cv2.multiply(canvas, keep, dst=canvas, scale=1 / 255)
    cv2.add(canvas, top, dst=canvas)


def _place(canvas: Image, subject: Subject, spec: SceneSpec) -> Placed:
    """Draw a figure with its shadow, and note where it is."""
    place, size = location(spec.location), (canvas.shape[0], canvas.shape[1])
    distance = subject.distance_m(place, size)
    sprite = draw_sprite(
        subject.kind,
        subject.pose,
        scale=subject.height * size[0],
        individual=subject.individual,
        faces_left=subject.faces_left,
        yaw=subject.yaw,
    )
    pixels = _blurred(sprite.pixels, subject) if spec.light.kind != "day" else sprite.pixels
    foot = place.foot_row(distance, size)
    left, top = round(subject.x * size[1] - sprite.foot[0]), round(foot - sprite.foot[1])
    if not spec.light.is_infrared:
        _shadow(canvas, (subject.x * size[1], foot), sprite, 0.35 + 0.65 * spec.light.sun)
    shown = np.zeros(size, np.uint8)
    into, out_of = _overlap(size, pixels.shape[:2], (left, top))
    if into is not None and out_of is not None:
        _cover(canvas[into], pixels[out_of], float(encode_nearness(distance)))
        shown[into] = np.where(pixels[out_of][..., 3] >= _OPAQUE, 255, 0)
    eyes = tuple((x + left, y + top) for x, y in sprite.eyes)
    area = int(np.count_nonzero(pixels[..., 3] >= _OPAQUE))
    return Placed(subject, shown, bounding_box(shown), area, eyes, distance)


def _blurred(pixels: Image, subject: Subject) -> Image:
    """Return pixels blurred along the walk, as the long exposures of the dark do."""
    reach = round(pixels.shape[1] * _RUN_BLUR * min(subject.pose.stride / 0.3, 1.5) * 0.5)
    return np.asarray(cv2.blur(pixels, (2 * reach + 1, 1)), np.uint8) if reach else pixels


def _overlap(
    size: tuple[int, int], figure: tuple[int, int], corner: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | tuple[None, None]:
    """Return the part of the frame a figure covers, and the part of the figure inside it."""
    left, top = corner
    x0, x1 = max(left, 0), min(left + figure[1], size[1])
    y0, y1 = max(top, 0), min(top + figure[0], size[0])
    if x0 >= x1 or y0 >= y1:
        return None, None
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    return (slice(y0, y1), slice(x0, x1)), inside


def _shadow(canvas: Image, foot: tuple[float, float], sprite: Sprite, strength: float) -> None:
    """Darken the ground under a figure."""
    reach = (sprite.pixels.shape[1] * 0.42, max(sprite.pixels.shape[0] * 0.06, 1.5))
    wide, tall = (2 * round(r * 1.6) + 3 for r in reach)
    mask = np.zeros((tall, wide), np.uint8)
    middle, radii = (wide // 2, tall // 2), (round(reach[0]), round(reach[1]))
    cv2.ellipse(mask, middle, radii, 0.0, 0.0, 360.0, 255, -1)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(reach[1] * 0.5, 0.8)), np.float32)
    corner = (round(foot[0]) - middle[0], round(foot[1]) - middle[1])
    into, out_of = _overlap((canvas.shape[0], canvas.shape[1]), (tall, wide), corner)
    if into is not None and out_of is not None:
        light = 1 - (_SHADOW * strength / 255) * soft[out_of][..., None]
        canvas[into][..., :3] = (canvas[into][..., :3] * light).astype(np.uint8)


def bounding_box(mask: NDArray[np.uint8]) -> Box | None:
    """Return the box around the non-zero pixels of `(H, W)`, or None where there are none."""
    x, y, wide, tall = cv2.boundingRect(mask)
    if wide == 0 or tall == 0:
        return None
    height, width = mask.shape
    return (x / width, y / height, wide / width, tall / height)
