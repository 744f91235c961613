"""What is unusual in an image file although it can be used: wrong name, animation, bit depth."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # a JPEG with a second picture, as some cameras write
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8


def oddities_of(image: Image.Image, data: bytes, path: Path) -> tuple[str, ...]:
    """Return a short text for each unusual thing, in a fixed order.

    Args:
        image: Opened, not yet decoded.
        data: The file's bytes.
        path: Its name is compared with its content.
    """
    found = []
    if path.suffix.lower() not in _SUFFIXES.get(image.format or "", ()):
        found.append(f"misnamed: the content is {image.format}, the name ends in {path.suffix}")
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        found.append(f"animated or of several pages: the first of {frames} is used")
    if image.mode == "CMYK":
        found.append("CMYK, for printing: colours are converted to RGB")
    bits = _bits(image, data)
    if bits > 8:
        found.append(f"{bits} bits a channel: the upper 8 are used")
    if "A" in image.getbands() or "transparency" in image.info:
        found.append("transparent: transparency is not looked at")
    return tuple(found)


def _bits(image: Image.Image, data: bytes) -> int:
    """Return the bits a channel, from the header: Pillow hides those of 16-bit colour."""
    if image.format == "PNG" and len(data) > 24:
        return data[24]
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS_PER_SAMPLE, 8)
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return 8
