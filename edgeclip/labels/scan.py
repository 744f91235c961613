"""Open every image once: can it be read, which bytes are it, when was it taken, is it infrared."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.labels.times import parse_time, time_in_name

MOST_BYTES = 200_000_000
MOST_PIXELS = 120_000_000  # 100 megapixels is the largest camera; decoded this is 360 MB
INFRARED_SATURATION = 14.0  # mean HSV saturation of 255: 127 real night frames <= 9, day >= 23
_DRAFT_PX = 320  # JPEGs are decoded at an eighth for the statistics
_THREADS = 4
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_EXIF_TIMES = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)


@dataclass(frozen=True)
class ImageFacts:
    """What a readable image file holds.

    Attributes:
        sha256: Of the file's bytes.
        width: Pixels, as stored.
        height: Pixels, as stored.
        saturation: Mean HSV saturation, 0..255.
        taken_at: From EXIF, else from the file's name; aware UTC or None.
    """

    sha256: str
    width: int
    height: int
    saturation: float
    taken_at: datetime | None

    @property
    def is_infrared(self) -> bool:
        """Whether the frame has no colour, as at night under the camera's infrared flash."""
        return self.saturation < INFRARED_SATURATION


def scan_image(path: Path) -> ImageFacts:
    """Return the facts of one file.

    Raises:
        DataError: Missing, empty, truncated, no image, or too large; the message says which.
    """
    data = read_image_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF and palettes warn; the pixels decide
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                facts = _facts(image, data, path)
                if image.format not in ("JPEG", "MPO"):
                    decode_image(data)  # Pillow knows kinds of TIFF and WebP that OpenCV does not
                return facts
    except UnidentifiedImageError as error:
        raise DataError("no image: the content is not of a known image format") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"damaged or cut short ({' '.join(str(error).split())[:80]})") from error


def scan_images(
    paths: Sequence[Path], *, advance: Callable[[], None] = lambda: None
) -> list[ImageFacts | DataError]:
    """Return facts, or the error, of each file, in order.

    Args:
        paths: Image files.
        advance: Called after each file, for a progress bar.
    """

    def scan(path: Path) -> ImageFacts | DataError:
        try:
            return scan_image(path)
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


def _facts(image: Image.Image, data: bytes, path: Path) -> ImageFacts:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"{width} x {height} pixels: too large (limit 120 megapixels)")
    taken_at = _exif_time(image) or time_in_name(path.name)
    image.draft("RGB", (_DRAFT_PX, _DRAFT_PX))
    hsv = np.asarray(image.convert("RGB").convert("HSV"))  # decodes all, so that a cut file shows
    return ImageFacts(sha256_bytes(data), width, height, float(hsv[..., 1].mean()), taken_at)


def _exif_time(image: Image.Image) -> datetime | None:
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    texts = [details.get(tag) for tag in _EXIF_TIMES] + [exif.get(ExifTags.Base.DateTime)]
    times = (parse_time(text) for text in texts if isinstance(text, str))
    return next((at for at in times if at), None)
