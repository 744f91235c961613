"""Open every image once: can it be read, which bytes are it, when was it taken, is it infrared."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.labels.image_kinds import is_turned, oddities_of
from edgeclip.labels.similar import CELLS, Thumbnail
from edgeclip.labels.times import parse_time, time_in_name

MOST_BYTES = 200_000_000
MOST_PIXELS = 120_000_000  # 100 megapixels is the largest camera; decoded this is 360 MB
LEAST_SIDE = 8  # px; below, nothing can be seen, and one pixel is a damaged export
INFRARED_SATURATION = 14.0  # mean HSV saturation of 255: 127 real night frames <= 9, day >= 23
_DRAFT_PX = 320  # JPEGs are decoded at an eighth for the statistics
_THREADS = 4
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_SURE = ("RGB", "L")  # modes of JPEG that OpenCV decodes whenever Pillow does
_EXIF_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)

TimeSource = Literal["EXIF", "file name"]


@dataclass(frozen=True)
class ImageFacts:
    """What a readable image file holds.

    Attributes:
        sha256: Of the file's bytes.
        width: Pixels, upright.
        height: Pixels, upright.
        saturation: Mean HSV saturation, 0..255.
        taken_at: From EXIF, else from the file's name; aware UTC or None.
        taken_from: Which of the two, or None.
        dead_clock: EXIF's time where it is none that a camera with a battery writes, else None.
        changed_at: The file's own time, aware UTC; a copy may have the time of the copying.
        oddities: What is unusual in the file, each a short text; it can be used all the same.
        is_turned: Whether EXIF turned it upright.
        thumbnail: For finding other files of the same shot, or None for a frame without detail.
    """

    sha256: str
    width: int
    height: int
    saturation: float
    taken_at: datetime | None
    taken_from: TimeSource | None = None
    dead_clock: str | None = None
    changed_at: datetime | None = None
    oddities: tuple[str, ...] = ()
    is_turned: bool = False
    thumbnail: Thumbnail | None = None

    @property
    def is_infrared(self) -> bool:
        """Whether the frame has no colour, as at night under the camera's infrared flash."""
        return self.saturation < INFRARED_SATURATION


def scan_image(path: Path, zone: tzinfo = timezone.utc) -> ImageFacts:
    """Return the facts of one file.

    Args:
        path: The file.
        zone: Of times in EXIF and names that have none.

    Raises:
        DataError: Missing, empty, truncated, no image, too small or too large; the message says
            which.
    """
    data = read_image_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF and palettes warn; the pixels decide
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                facts = _facts(image, data, path, zone)
                if image.format not in ("JPEG", "MPO") or image.mode not in _SURE:
                    decode_image(data)  # Pillow knows kinds of TIFF and WebP that OpenCV does not
                return facts
    except UnidentifiedImageError as error:
        raise DataError("no image: the content is not of a known image format") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"damaged or cut short ({' '.join(str(error).split())[:80]})") from error


def scan_images(
    paths: Sequence[Path],
    *,
    zone: tzinfo = timezone.utc,
    advance: Callable[[], None] = lambda: None,
) -> list[ImageFacts | DataError]:
    """Return facts, or the error, of each file, in order.

    Args:
        paths: Image files.
        zone: Of times in EXIF and names that have none.
        advance: Called after each file, for a progress bar.
    """

    def scan(path: Path) -> ImageFacts | DataError:
        try:
            return scan_image(path, zone)
        except DataError as error:
            return error

    results = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for result in pool.map(scan, paths):
            results.append(result)
            advance()
    return results


def read_image_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        DataError: Missing, unreadable, empty, or larger than 200 MB.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{size / 1e6:.0f} MB: too large for an image (limit 200 MB)")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or 'unreadable'})") from error
    if not data:
        raise DataError("empty file: 0 bytes")
    return data


def _facts(image: Image.Image, data: bytes, path: Path, zone: tzinfo) -> ImageFacts:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"{width} x {height} pixels: too large (limit 120 megapixels)")
    if min(width, height) < LEAST_SIDE:
        raise DataError(f"{width} x {height} pixels: too small to show anything")
    turned = is_turned(image)
    exif_at, dead_clock = _exif_time(image, zone)
    named_at = time_in_name(path.name, zone)
    oddities = oddities_of(image, data, path)  # before draft, which changes size and mode
    image.draft("RGB", (_DRAFT_PX, _DRAFT_PX))
    small = image.convert("RGB")  # decodes all, so that a cut file shows
    hsv = np.asarray(small.convert("HSV"))
    upright = ImageOps.exif_transpose(small)
    grey = upright.convert("L").resize((CELLS, CELLS), Image.Resampling.BOX)
    return ImageFacts(
        sha256=sha256_bytes(data),
        width=height if turned else width,
        height=width if turned else height,
        saturation=float(hsv[..., 1].mean()),
        taken_at=exif_at or named_at,
        taken_from="EXIF" if exif_at else "file name" if named_at else None,
        dead_clock=dead_clock,
        changed_at=datetime.fromtimestamp(path.stat().st_mtime, timezone.utc),
        oddities=oddities,
        is_turned=turned,
        thumbnail=Thumbnail.of(np.asarray(grey)),
    )


def _exif_time(image: Image.Image, zone: tzinfo) -> tuple[datetime | None, str | None]:
    """Return the first time that can be believed, and the first that cannot, as written."""
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    pairs = [(details.get(tag), details.get(offset)) for tag, offset in _EXIF_TIMES]
    pairs.append((exif.get(ExifTags.Base.DateTime), details.get(ExifTags.Base.OffsetTime)))
    dead = None
    for text, offset in pairs:
        if not isinstance(text, str) or not text.strip("\0 :0"):
            continue  # "0000:00:00 00:00:00" and spaces are how a camera says nothing
        own = _with_offset(text, offset)
        found = own or parse_time(text, zone)
        if found:
            return found, None
        dead = dead or text.strip("\0 ")[:40]
    return None, dead


def _with_offset(text: str, offset: object) -> datetime | None:
    """Return EXIF's time with EXIF's offset, such as `+03:00`, or None where it has none."""
    if not isinstance(offset, str) or offset[:1] not in ("+", "-"):
        return None
    day, _, clock = text.strip("\0 ").partition(" ")
    return parse_time(f"{day.replace(':', '-')}T{clock}{offset.strip(chr(0)).strip()}")
