"""Random views of a region: resized crop, mirror, light and colour, grey, blur."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_AREA = 0.5  # of a random view; less would cut distant animals off
_ASPECTS = (3 / 4, 4 / 3)  # beside the region's own
_TRIES = 10
_BRIGHTNESS = (0.7, 1.3)
_JITTER_SHARE, _BLUR_SHARE = 0.25, 0.25
_GREY_SHARE = 0.2  # imitates infrared
_CONTRAST, _SATURATION, _TINT = (0.6, 1.4), (0.6, 1.4), (0.9, 1.1)
_BLUR = (0.001, 0.01)  # of the side: standard deviation
_KERNEL = 3  # standard deviations on each side


def cropped(area: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random part of an area: half of it at the least, of a shape like its own.

    Args:
        area: `(H, W, 3)` uint8.
        rng: What decides.
    """
    height, width = area.shape[:2]
    for _ in range(_TRIES):
        scale = rng.uniform(LEAST_AREA, 1)
        aspect = np.exp(rng.uniform(*np.log(_ASPECTS)))
        tall = max(round(height * (scale / aspect) ** 0.5), 1)
        wide = max(round(width * (scale * aspect) ** 0.5), 1)
        if tall <= height and wide <= width:
            top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
            return area[top : top + tall, left : left + wide]
    return area


def recoloured(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return pixels under another light; some with other colours, some grey, some blurred.

    Args:
        pixels: `(S, S, 3)` uint8, RGB.
        rng: What decides.
    """
    values = pixels.astype(np.float32) * rng.uniform(*_BRIGHTNESS)
    if rng.random() < _JITTER_SHARE:
        values = _jittered(values, rng)
    if rng.random() < _GREY_SHARE:
        values = np.repeat(values.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < _BLUR_SHARE:
        values = _blurred(values, len(pixels) * rng.uniform(*_BLUR))
    return np.ascontiguousarray(np.clip(values.round(), 0, 255), np.uint8)


def _jittered(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Change contrast, saturation and tint."""
    mean = values.mean()
    values = mean + (values - mean) * rng.uniform(*_CONTRAST)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * rng.uniform(*_SATURATION)
    return np.asarray(values * rng.uniform(*_TINT, 3), np.float32)


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur by a Gaussian, edges repeated."""
    reach = max(round(_KERNEL * sigma), 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        around = [(reach, reach) if side == axis else (0, 0) for side in range(3)]
        padded, size = np.pad(values, around, mode="edge"), values.shape[axis]
        shifted = (padded.take(range(i, i + size), axis) for i in range(2 * reach + 1))
        values = sum(
            (weight * part for weight, part in zip(kernel, shifted, strict=True)),
            np.zeros_like(values),
        )
    return values
