"""Pictures as JPEGs for the docs: small enough to be carried in the repository."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

QUALITY = 82
_GAP_PX = 12
_PAPER = (255, 255, 255)


def opened(data: bytes | Path) -> Image.Image:
    """Return an image of a file or its bytes, RGB."""
    return Image.open(io.BytesIO(data) if isinstance(data, bytes) else data).convert("RGB")


def narrowed(image: Image.Image, width: int) -> Image.Image:
    """Return an image no wider than `width` px."""
    if image.width <= width:
        return image
    size = (width, round(image.height * width / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


def rows_of(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return images in rows on white; those of a row have one height."""
    heights = [max(image.height for image in row) for row in rows]
    widths = [sum(image.width for image in row) + _GAP_PX * (len(row) - 1) for row in rows]
    sheet = Image.new("RGB", (max(widths), sum(heights) + _GAP_PX * (len(rows) - 1)), _PAPER)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for image in row:
            sheet.paste(image, (left, top))
            left += image.width + _GAP_PX
        top += height + _GAP_PX
    return sheet


def save(image: Image.Image, path: Path) -> None:
    """Write a JPEG; its place in the docs is its name."""
    image.save(path, "JPEG", quality=QUALITY, optimize=True, progressive=True)
