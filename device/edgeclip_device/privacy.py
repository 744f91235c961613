"""People before the camera: what of them is told, and what becomes of pictures that show them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.files import write_bytes
from edgeclip.contract.pack import ObservationType
from edgeclip_device.heads import Classification
from edgeclip_device.privacy_settings import PrivacySettings
from edgeclip_device.sealing import read_public_key, seal

log = logging.getLogger(__name__)

WITHHELD_FOLDER = "withheld"
_MOSAIC_PX = 24  # of the longer side: of a person who fills the frame, nobody can tell who it is


class Privacy:
    """Applies the table `[privacy]`.

    Args:
        settings: The table.
        state: The state folder; encrypted pictures are kept in it.

    Raises:
        ConfigError: The public key cannot be read.
    """

    def __init__(self, settings: PrivacySettings, state: Path) -> None:
        self._settings = settings
        self._folder = state / WITHHELD_FOLDER
        path = settings.public_key if settings.human_policy == "keep_encrypted" else None
        self._key = read_public_key(path) if path else None
        if settings.poaching_alerts:
            log.warning("[privacy].poaching_alerts is on: people raise alerts")

    def shows_person(self, found: Iterable[Classification]) -> bool:
        """Say whether a frame shows a person, by the word of any pack on either view."""
        return any(item.human >= self._settings.human_from for item in found)

    def tells_of(self, kind: ObservationType) -> bool:
        """Say whether a class of this kind may become a detection."""
        policy = self._settings.human_policy
        return kind != "human" or policy != "drop" or self._settings.poaching_alerts

    def is_alert(self, kind: ObservationType) -> bool:
        """Say whether a class of this kind may raise alerts: people only where that is lawful."""
        return kind != "human" or self._settings.poaching_alerts

    def visible(self, image: NDArray[np.uint8], *, shows_person: bool) -> NDArray[np.uint8] | None:
        """Return what of a frame may leave the device, or None for nothing.

        A frame with a person is made unrecognisable as a whole: nobody knows where in it another
        one stands.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            shows_person: Whether the policy applies.
        """
        if not shows_person:
            return image
        return mosaic(image) if self._settings.human_policy == "blur" else None

    @property
    def keeps_sealed(self) -> bool:
        """Whether pictures of people are kept, encrypted."""
        return self._key is not None

    def keep_sealed(self, name: str, jpeg: bytes) -> None:
        """Keep an encrypted picture on the device; the oldest make room.

        Args:
            name: Of the file, without suffix.
            jpeg: The picture.
        """
        if self._key is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            newest_ns = max((when for when, _ in self._kept()), default=0)
            path = self._folder / f"{name}.sealed"
            write_bytes(path, seal(jpeg, self._key))
            if path.stat().st_mtime_ns <= newest_ns:  # the clock went back
                os.utime(path, ns=(newest_ns + 1, newest_ns + 1))
            self._make_room()
        except OSError as error:
            log.error("%s cannot be written (%s): a picture is lost", self._folder, error.strerror)

    def _kept(self) -> list[tuple[int, Path]]:
        """Return what is kept, with its time of change, which only grows from one to the next."""
        return [(path.stat().st_mtime_ns, path) for path in self._folder.glob("*.sealed")]

    def _make_room(self) -> None:
        files = [(path.stat().st_size, path) for _, path in sorted(self._kept())]
        surplus = sum(size for size, _ in files) - self._settings.withheld_mb * 1_000_000
        for size, path in files:
            if surplus <= 0:
                return
            log.warning("%s makes room for newer pictures", path.name)
            path.unlink()
            surplus -= size


def mosaic(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image of a few large cells.

    Args:
        image: `(H, W, 3)` uint8.

    Returns:
        The same size; its longer side has 24 cells.
    """
    height, width = image.shape[:2]
    ratio = min(1.0, _MOSAIC_PX / max(height, width))
    cells = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    small = cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
