"""Image files: one, or a folder of them in the order of their names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from edgeclip.errors import SourceError
from edgeclip_device.clock import boot_now_ns
from edgeclip_device.frames import Frame
from edgeclip_device.sources.image_files import IMAGE_SUFFIXES, read_image


@dataclass(frozen=True)
class Pace:
    """When the frames of files were taken.

    Attributes:
        start: Of the first frame; aware UTC, or None where it is not known.
        interval_s: Between two images.
    """

    start: datetime | None
    interval_s: float

    def frame_time(self, index: int) -> tuple[float, datetime | None]:
        """Return seconds since the start, and the wall time, of the image with this index."""
        at_s = index * self.interval_s
        return at_s, self.start + timedelta(seconds=at_s) if self.start else None


class StillsSource:
    """Reads images.

    Args:
        path: An image file, or a folder; files in it that are named like no image are passed over.
        pace: When they were taken.
        zone: Of the camera's clock; with it, EXIF says when each was taken.

    Raises:
        SourceError: There is no image.
    """

    is_live = False

    def __init__(self, path: Path, pace: Pace, zone: tzinfo | None = None) -> None:
        self.name = str(path)
        self._zone = zone
        self._pace = pace
        self._paths = list_images(path)
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next image, or None after the last.

        Raises:
            SourceError: A file holds no image; reading again goes on with the next.
        """
        if self._next >= len(self._paths):
            return None
        index, self._next = self._next, self._next + 1
        path = self._paths[index]
        read_ns = time.monotonic_ns()
        at_s, captured_at = self._pace.frame_time(index)
        file = read_image(path, self._zone)
        taken_at = file.taken_at or captured_at
        return Frame(file.image, index, at_s, taken_at, read_ns, boot_now_ns())

    def close(self) -> None:
        """Nothing is open between two images."""


def list_images(path: Path) -> list[Path]:
    """Return the images that a path names, sorted by name.

    Raises:
        SourceError: There are none, or the folder cannot be read.
    """
    try:
        if path.is_file():
            return [path]
        paths = sorted(
            item
            for item in path.iterdir()
            if item.suffix.lower() in IMAGE_SUFFIXES and not item.name.startswith(".")
        )
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path") from error
    if not paths:
        raise SourceError(
            f"{path} holds no image: expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return paths
