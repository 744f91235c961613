"""Image files as they should not be, written by hand or by Pillow, each with its true pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.drawn_images import draw

Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, kind: str, **options: object) -> bytes:
    """Return an image file of Pillow's making."""
    return saved(Image.fromarray(pixels), kind, **options)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image file of Pillow's making."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def cmyk_jpeg(pixels: Pixels) -> bytes:
    """Return a JPEG for printing."""
    return saved(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=98, subsampling=0)


def deep(pixels: Pixels, suffix: str) -> bytes:
    """Return a file of 16 bits a channel: each value v is v * 256 + 200."""
    values = pixels[:, :, ::-1].astype(np.uint16) * 256 + 200
    return bytes(cv2.imencode(suffix, values)[1].tobytes())


def deep_grey(pixels: Pixels) -> bytes:
    """Return a grey PNG of 16 bits, of the first channel."""
    return bytes(cv2.imencode(".png", pixels[:, :, 0].astype(np.uint16) * 256 + 200)[1].tobytes())


def animated(pixels: Pixels, kind: str) -> bytes:
    """Return a file whose second frame is black."""
    first = Image.fromarray(pixels)
    options = {"lossless": True} if kind == "WEBP" else {}
    black = Image.new("RGB", first.size)
    return saved(first, kind, save_all=True, append_images=[black], **options)


def with_alpha(pixels: Pixels, kind: str) -> bytes:
    """Return a file whose left half is transparent; the colours below are kept."""
    height, width = pixels.shape[:2]
    alpha = np.full((height, width, 1), 255, np.uint8)
    alpha[:, : width // 2] = 0
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return encoded(np.concatenate([pixels, alpha], axis=2), kind, **options)


def palette_png(pixels: Pixels) -> tuple[bytes, Pixels]:
    """Return a PNG of 16 colours, and its pixels."""
    image = Image.fromarray(pixels).quantize(16)
    return saved(image, "PNG"), np.asarray(image.convert("RGB"))


def turned(pixels: Pixels, kind: str) -> bytes:
    """Return a file that lies on its side, with EXIF orientation 6: turn clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, object] = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    options |= {"lossless": True} if kind == "WEBP" else {}
    return saved(Image.fromarray(np.rot90(pixels).copy()), kind, exif=exif, **options)


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size that its content never has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


ODD_FILES: dict[str, tuple[Callable[[Pixels], bytes], str, str]] = {
    "zero.jpg": (lambda _: b"", "unreadable", "empty file: 0 bytes"),
    "cut.jpg": (lambda p: encoded(p, "JPEG")[:700], "unreadable", "damaged or cut short"),
    "text.jpg": (lambda _: b"<html>not found</html>", "unreadable", "no image"),
    "pixel.png": (lambda p: encoded(p[:1, :1], "PNG"), "unreadable", "1 x 1 pixels: too small"),
    "huge.png": (lambda _: huge_png(20_000, 8_000), "unreadable", "too large"),
    "float.tif": (
        lambda p: saved(Image.fromarray(p[:, :, 0].astype(np.float32)), "TIFF"),
        "unreadable",
        "cannot be decoded|can be decoded",
    ),
    "print.jpg": (cmyk_jpeg, "odd", "CMYK"),
    "deep.png": (lambda p: deep(p, ".png"), "odd", "16 bits a channel"),
    "deep.tif": (lambda p: deep(p, ".tif"), "odd", "16 bits a channel"),
    "deepgrey.png": (deep_grey, "odd", "16 bits a channel"),
    "moving.gif": (lambda p: animated(p, "GIF"), "odd", "the first of 2 is used"),
    "moving.webp": (lambda p: animated(p, "WEBP"), "odd", "the first of 2 is used"),
    "moving.png": (lambda p: animated(p, "PNG"), "odd", "the first of 2 is used"),
    "pages.tif": (lambda p: animated(p, "TIFF"), "odd", "the first of 2 is used"),
    "wrong.jpg": (lambda p: encoded(p, "PNG"), "odd", "misnamed: the content is PNG"),
    "clear.png": (lambda p: with_alpha(p, "PNG"), "odd", "transparency is not looked at"),
}
"""Name -> how it is made, kind of the problem that names it, and what that says."""


def odd_file(name: str, seed: int) -> bytes:
    """Return the content of one of `ODD_FILES`, of a frame of its own."""
    return ODD_FILES[name][0](draw("leopard", seed, background=seed))
