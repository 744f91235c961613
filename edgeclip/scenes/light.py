"""Light and camera: daylight, dusk or an infrared flash, then lens, sensor and JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.scenes.locations import Location
from edgeclip.scenes.noise import Field
from edgeclip.scenes.terrain import decode_nearness

LightKind = Literal["day", "dusk", "infrared"]
Image = NDArray[np.uint8]

_FLASH_FALL = 1.5  # softer than the inverse square: the camera's gain makes up for some of it
_INFRARED_WEIGHTS = np.array([[0.34, 0.5, 0.16]], np.float32)  # leaves are bright in infrared
_GRAIN_SEED, _GRAIN_SPARE = 11, 256  # so many pixels each way that a window can move
_NOISE = {"day": 2.5, "dusk": 5.0, "infrared": 6.0}  # standard deviation, of 255


@dataclass(frozen=True)
class Light:
    """What lights a scene, and how well the camera copes.

    Attributes:
        kind: Daylight, dusk or an infrared flash at night.
        exposure: Gain; 1 is well exposed.
        sun: Strength of sun spots and shadows by day, 0..1.
        flash_m: Distance at which the infrared flash exposes well.
        jpeg_quality: Of the camera's own compression, 1..100.
    """

    kind: LightKind = "day"
    exposure: float = 1.0
    sun: float = 0.5
    flash_m: float = 5.0
    jpeg_quality: int = 80

    @property
    def is_infrared(self) -> bool:
        """Whether frames have no colour."""
        return self.kind == "infrared"


def illuminate(canvas: Image, light: Light, place: Location, dapples: Field) -> Field:
    """Return lit surfaces.

    Args:
        canvas: `(H, W, 4)` uint8: RGB of unlit surfaces, and nearness.
        light: What lights them.
        place: Gives the camera's colour cast.
        dapples: `(H, W)` float32 0..1: where sun falls through leaves.

    Returns:
        `(H, W, 3)` float32 RGB, about 0..255; `(H, W, 1)` in infrared.
    """
    if light.is_infrared:
        return _flash(canvas, light)
    image = canvas[..., :3].astype(np.float32)
    if light.kind == "dusk":
        grey = image.mean(2, keepdims=True)
        cast = np.array((0.42, 0.44, 0.52), np.float32)
        return np.asarray(
            (image * 0.5 + grey * 0.5) * cast * np.float32(light.exposure), np.float32
        )
    image *= np.array(place.tint, np.float32) * np.float32(light.exposure)
    shine = dapples * np.float32(0.9 * light.sun) + np.float32(1 - 0.25 * light.sun)
    image *= shine[..., None]
    return image


def _flash(canvas: Image, light: Light) -> Field:
    height, width = canvas.shape[:2]
    grey = cv2.transform(np.ascontiguousarray(canvas[..., :3]), _INFRARED_WEIGHTS)
    table = (light.flash_m / decode_nearness(np.arange(256, dtype=np.float32))) ** _FLASH_FALL
    gain = np.clip(table, 0.015, 1.5).astype(np.float32)[canvas[..., 3]]
    lit = grey.reshape(height, width) * gain * spot((height, width)) * np.float32(light.exposure)
    rolled = 255 * (1 - np.exp(-lit / 165))  # the sensor saturates softly
    return np.asarray(rolled, np.float32)[..., None]


@lru_cache(maxsize=8)
def spot(size: tuple[int, int]) -> Field:
    """Return the flash's cone: `(H, W)` float32, 1 in the middle, darker to the corners."""
    height, width = size
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - 0.15
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.asarray(1.12 - 0.62 * np.minimum(0.55 * x**2 + 0.4 * y**2, 1), np.float32)


def draw_eyeshine(image: Field, eyes: list[tuple[float, float]], radius: float) -> None:
    """Add the bright reflection of a flash in eyes at `(x, y)` px."""
    glow = np.zeros(image.shape[:2], np.uint8)
    for x, y in eyes:
        at = (round(x * 16), round(y * 16))
        cv2.circle(glow, at, max(round(radius * 16), 14), 255, -1, cv2.LINE_AA, 4)
    halo = cv2.GaussianBlur(glow, (0, 0), max(radius * 0.9, 0.6))
    image += np.maximum(glow, halo).astype(np.float32)[..., None]


def expose(image: Field, light: Light, rng: np.random.Generator) -> Image:
    """Return what the camera stores: lens softness, sensor noise, JPEG artefacts.

    Args:
        image: `(H, W, 3)` or `(H, W, 1)` float32, about 0..255.
        light: Decides noise and compression.
        rng: Of the noise.

    Returns:
        `(H, W, 3)` uint8 RGB; three equal channels where one came in.
    """
    height, width, channels = image.shape
    soft = cv2.GaussianBlur(image, (3, 3), 0.7).reshape(image.shape)
    grain = _grain(height, width, rng) * np.float32(_NOISE[light.kind])
    soft += grain[..., None]
    stored = cv2.convertScaleAbs(np.maximum(soft, 0, out=soft)).reshape(height, width, channels)
    return compressed(np.asarray(stored, np.uint8), light)


def _grain(height: int, width: int, rng: np.random.Generator) -> Field:
    """Return normal noise `(H, W)`: a random window of a fixed field, ten times as fast."""
    field = _grain_field(height + _GRAIN_SPARE, width + _GRAIN_SPARE)
    top, left = rng.integers(0, _GRAIN_SPARE, 2)
    return field[top : top + height, left : left + width]


@lru_cache(maxsize=8)
def _grain_field(height: int, width: int) -> Field:
    return np.random.default_rng(_GRAIN_SEED).standard_normal((height, width), np.float32)


def compressed(image: Image, light: Light) -> Image:
    """Return an image of one or three channels after JPEG, as three channels."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, light.jpeg_quality]
    has_color = image.shape[2] == 3
    flag = cv2.IMREAD_COLOR if has_color else cv2.IMREAD_GRAYSCALE
    decoded = cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], quality)[1], flag)
    if not has_color:
        return np.repeat(np.asarray(decoded, np.uint8)[..., None], 3, 2)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])
