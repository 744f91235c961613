"""Image files that cameras write: read, or named with what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError, SourceError
from edgeclip_device.sources.image_facts import is_whole, pixel_count, taken_at

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_LARGEST_BYTES = 100_000_000  # no camera writes a larger image
_MOST_PIXELS = 200_000_000  # a small file can ask for gigabytes


class CutShortError(SourceError):
    """The end of the file is missing: it is still being written, or never was."""


@dataclass(frozen=True)
class ImageFile:
    """A decoded file.

    Attributes:
        image: `(H, W, 3)` uint8, RGB.
        taken_at: By its EXIF; None where no zone was given, or it says nothing.
    """

    image: NDArray[np.uint8]
    taken_at: datetime | None


def read_image(path: Path, zone: tzinfo | None = None) -> ImageFile:
    """Return an image file.

    Args:
        path: The file.
        zone: Of the camera's clock; None leaves its EXIF unread.

    Raises:
        CutShortError: Its end is missing.
        SourceError: It cannot be read, is too large, or holds no image.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise SourceError(f"{path} is larger than 100 MB: that is no camera's image")
        data = path.read_bytes()
        if (pixel_count(data) or 0) > _MOST_PIXELS:
            raise SourceError(f"{path} has more than 200 million pixels: that is no camera's image")
        if data and not is_whole(data):
            raise CutShortError(f"{path} is cut short: copy it again")
        return ImageFile(decode_image(data), taken_at(data, zone) if zone else None)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check it") from error
    except DataError as error:
        raise SourceError(f"{path}: {error}: remove or replace it") from error
