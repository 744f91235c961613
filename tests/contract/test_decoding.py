from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from support.drawn_images import draw
from support.odd_images import (
    Pixels,
    animated,
    cmyk_jpeg,
    deep,
    deep_grey,
    encoded,
    palette_png,
    turned,
    with_alpha,
)

SMOOTH = np.repeat(np.repeat(draw("leopard", 1)[::8, ::8], 8, axis=0), 8, axis=1)
"""48 x 64 pixels in blocks of 8, so that a JPEG keeps them but for rounding."""


def _difference(data: bytes, wanted: Pixels) -> int:
    found = decode_image(data)
    assert found.shape == wanted.shape
    return int(np.abs(found.astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_the_first_frame_of_an_animation_is_its_image(kind: str) -> None:
    pixels = np.repeat(np.repeat(draw("leopard", 1)[::16, ::16], 16, axis=0), 16, axis=1)
    whole = encoded(pixels, kind) if kind == "BMP" else animated(pixels, kind)
    assert _difference(whole, pixels) <= (1 if kind == "GIF" else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_and_never_wrapped(suffix: str) -> None:
    assert _difference(deep(SMOOTH, suffix), SMOOTH) <= 1
    bright = np.full((16, 16, 3), 255, np.uint8)
    assert _difference(deep(bright, suffix), bright) == 0


def test_sixteen_bits_of_grey_are_three_equal_channels() -> None:
    wanted = np.repeat(SMOOTH[:, :, :1], 3, axis=2)
    assert _difference(deep_grey(SMOOTH), wanted) <= 1


def test_cmyk_is_converted_to_the_colours_that_it_prints() -> None:
    assert _difference(cmyk_jpeg(SMOOTH), SMOOTH) <= 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_dropped_and_the_colours_below_it_stay(kind: str) -> None:
    assert _difference(with_alpha(SMOOTH, kind), SMOOTH) == 0


def test_a_palette_gives_its_colours() -> None:
    data, wanted = palette_png(SMOOTH)
    assert _difference(data, wanted) == 0


def test_grey_is_three_equal_channels() -> None:
    grey = SMOOTH[:, :, 1]
    assert _difference(encoded(grey, "PNG"), np.repeat(grey[:, :, None], 3, axis=2)) == 0


@pytest.mark.parametrize(("kind", "most"), [("JPEG", 6), ("PNG", 0), ("WEBP", 0), ("TIFF", 0)])
def test_exif_turns_an_image_upright(kind: str, most: int) -> None:
    assert _difference(turned(SMOOTH, kind), SMOOTH) <= most


@pytest.mark.parametrize(
    "data",
    [
        lambda: encoded(SMOOTH, "JPEG")[:20],
        lambda: b"\xff\xd8\xff",
        lambda: b"GIF89a",
        lambda: b"RIFF\0\0\0\0WEBP",
        lambda: b"II*\0\xff\xff\xff\x7f",
        lambda: encoded(SMOOTH, "PNG")[:40],
    ],
    ids=["cut jpeg", "mark of jpeg", "mark of gif", "mark of webp", "mark of tiff", "cut png"],
)
def test_what_cannot_be_decoded_is_a_data_error(data: Callable[[], bytes]) -> None:
    with pytest.raises(DataError, match="decoded"):
        decode_image(data())
