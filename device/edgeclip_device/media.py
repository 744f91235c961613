"""Snapshots: JPEGs without metadata, small enough to send, named by their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import MediaRef
from edgeclip.contract.files import write_bytes
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import DataError
from edgeclip_device.config import MediaSettings

MediaKind = Literal["full", "crop"]
_SMALLEST_QUALITY = 35
_QUALITY_STEP = 15
_SHRINK = 0.75
_HALF = 0.5


@dataclass(frozen=True)
class Snapshot:
    """An encoded frame, or the part of it where something moved.

    Attributes:
        data: A whole JPEG without EXIF: OpenCV writes none, so no place can leave with it.
    """

    kind: MediaKind
    data: bytes
    sha256: str
    width: int
    height: int

    def ref(self, n: int) -> MediaRef:
        """Return how a detection names it.

        Args:
            n: Its number in the detection.
        """
        return MediaRef(
            n=n,
            kind=self.kind,
            sha256=self.sha256,
            size_bytes=len(self.data),
            width=self.width,
            height=self.height,
        )


def encode(image: NDArray[np.uint8], kind: MediaKind, settings: MediaSettings) -> Snapshot:
    """Return an image as a JPEG of at most `max_bytes`, by less quality, then by fewer pixels.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        kind: The whole frame or a part of it.
        settings: Limits and first quality.

    Raises:
        DataError: The image is empty, or not even a small one fits.
    """
    if 0 in image.shape:
        raise DataError(f"an empty image {image.shape} cannot be a snapshot")
    scaled = _scaled(image, min(1.0, settings.max_side_px / max(image.shape[:2])))
    while min(scaled.shape[:2]) >= 1:
        for quality in range(settings.quality, _SMALLEST_QUALITY - 1, -_QUALITY_STEP):
            data = _jpeg(scaled, quality)
            if len(data) <= settings.max_bytes:
                height, width = scaled.shape[:2]
                return Snapshot(kind, data, sha256_bytes(data), width, height)
        if max(scaled.shape[:2]) <= 16:
            break
        scaled = _scaled(scaled, _SHRINK)
    raise DataError(f"no JPEG of the frame fits into {settings.max_bytes} bytes: raise max_bytes")


def store(folder: Path, snapshot: Snapshot) -> Path:
    """Write a snapshot durably, named by its hash; return its path.

    Args:
        folder: The media folder of the outbox.
        snapshot: What to write. A file of that name already there is the same bytes.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    path = folder / f"{snapshot.sha256}.jpg"
    if not path.exists():
        write_bytes(path, snapshot.data)
    return path


def _scaled(image: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    if ratio >= 1.0:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    # linear is as good down to half the size, for a quarter of the time
    method = cv2.INTER_LINEAR if ratio >= _HALF else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise DataError(f"the frame {image.shape} cannot be encoded as JPEG")
    return bytes(data)
