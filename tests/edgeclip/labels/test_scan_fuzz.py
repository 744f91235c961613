"""Damaged bytes of images: whatever they are, an image is read or refused, never a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.figures import thumbnail
from edgeclip.labels.scan import ImageFacts, scan_images
from support.drawn_images import draw
from support.odd_images import encoded, saved


def _exif() -> Image.Exif:
    """Return EXIF as a camera writes it, with a directory of details."""
    written = Image.Exif()
    written[0x0112], written[0x0132] = 6, "2023:01:02 03:04:05"
    written[0x8769] = {0x9003: "2024:05:12 21:34:05", 0x9011: "+03:00"}
    read = Image.Exif()
    read.load(written.tobytes())
    return read


def _with_exif(kind: str) -> bytes:
    return saved(Image.fromarray(draw("leopard", 0)), kind, exif=_exif())


WHOLE = {
    **{kind: _with_exif(kind) for kind in ("JPEG", "PNG", "TIFF", "WEBP")},
    **{kind: encoded(draw("leopard", 0), kind) for kind in ("GIF", "BMP")},
    "packed TIFF": encoded(draw("leopard", 0), "TIFF", compression="tiff_lzw"),
}
KINDS = st.sampled_from(sorted(WHOLE))
BYTE = st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255)
NEAR = st.integers(0, 400) | st.integers(0, 20_000)  # headers and EXIF lie at the beginning


@st.composite
def damaged(draw_one: st.DrawFn) -> bytes:
    """Return a file with bytes changed, a part of another put in, or its end cut off."""
    data = bytearray(WHOLE[draw_one(KINDS)])
    for place, value in draw_one(st.lists(st.tuples(NEAR, BYTE), max_size=8)):
        data[place % len(data)] = value
    if draw_one(st.booleans()):
        other, start = WHOLE[draw_one(KINDS)], draw_one(NEAR)
        place, count = draw_one(NEAR) % len(data), draw_one(st.integers(0, 300))
        instead = draw_one(st.sampled_from([0, count]))
        data[place : place + instead] = other[start : start + count]
    if draw_one(st.booleans()):
        del data[draw_one(NEAR) % max(len(data), 1) :]
    return bytes(data)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "a.jpg"


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)
@given(data=damaged())
def test_any_bytes_are_an_image_or_refused_in_one_line(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    (found,) = scan_images([path])
    if isinstance(found, DataError):
        assert "\n" not in str(found)
        return
    assert isinstance(found, ImageFacts)
    assert sorted(decode_image(data).shape[:2]) == sorted((found.width, found.height))
    assert thumbnail(data)
