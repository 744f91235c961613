"""Open every image once: can it be read, which bytes are it, when was it taken, is it infrared."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.labels.exif import read_exif, upright
from edgeclip.labels.image_kinds import oddities_of
from edgeclip.labels.similar import CELLS, Thumbnail
from edgeclip.labels.times import time_in_name

MOST_BYTES = 200_000_000
MOST_PIXELS = 120_000_000  # 100 megapixels is the largest camera; decoded this is 360 MB
LEAST_SIDE = 8  # px; below, nothing can be seen, and one pixel is a damaged export
INFRARED_SATURATION = 14.0  # mean HSV saturation of 255: 127 real night frames <= 9, day >= 23
_DRAFT_PX = 320  # JPEGs are decoded at an eighth for the statistics
_THREADS = 4
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_SURE = ("RGB", "L")  # modes of JPEG that OpenCV decodes whenever Pillow does
_DAMAGED_EXIF = "EXIF is damaged: what it says of time and orientation may be missing"
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
    with _without_warnings():
        return _scan(path, zone)


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
            return _scan(path, zone)
        except DataError as error:
            return error

    results = []
    with _without_warnings(), ThreadPoolExecutor(_THREADS) as pool:
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


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep odd EXIF and palettes from warning: the pixels decide.

    Filters are of the whole process: threads that each set and restore them undo one another's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _scan(path: Path, zone: tzinfo) -> ImageFacts:
    data = read_image_file(path)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _facts(image, data, path, zone)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError("no image: the content is not of a known image format") from error
    except Exception as error:  # damaged bytes fail in Pillow in any way: struct.error, TypeError
        said = " ".join(str(error).split())[:80] or type(error).__name__
        raise DataError(f"damaged or cut short ({said})") from error


def _facts(image: Image.Image, data: bytes, path: Path, zone: tzinfo) -> ImageFacts:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"{width} x {height} pixels: too large (limit 120 megapixels)")
    if min(width, height) < LEAST_SIDE:
        raise DataError(f"{width} x {height} pixels: too small to show anything")
    oddities = oddities_of(image, data, path)  # before draft, which changes size and mode
    is_sure = image.format in ("JPEG", "MPO") and image.mode in _SURE
    image.draft("RGB", (_DRAFT_PX, _DRAFT_PX))
    small = image.convert("RGB")  # decodes all, so that a cut file shows
    exif = read_exif(image, zone)
    turned = exif.is_turned
    if exif.is_damaged or not is_sure:  # kinds that Pillow knows and OpenCV does not; who turns it
        turned = decode_image(data).shape[:2] != (height, width)
    named_at = time_in_name(path.name, zone)
    hsv = np.asarray(small.convert("HSV"))
    grey = upright(small, exif.orientation).convert("L")
    cells = grey.resize((CELLS, CELLS), Image.Resampling.BOX)
    return ImageFacts(
        sha256=sha256_bytes(data),
        width=height if turned else width,
        height=width if turned else height,
        saturation=float(hsv[..., 1].mean()),
        taken_at=exif.taken_at or named_at,
        taken_from="EXIF" if exif.taken_at else "file name" if named_at else None,
        dead_clock=exif.dead_clock,
        changed_at=datetime.fromtimestamp(path.stat().st_mtime, timezone.utc),
        oddities=(*oddities, *([_DAMAGED_EXIF] if exif.is_damaged else [])),
        is_turned=turned,
        thumbnail=Thumbnail.of(np.asarray(cells)),
    )
