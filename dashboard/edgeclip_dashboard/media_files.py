"""Media on disk: JPEG files named by their SHA-256, checked before they are written."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from edgeclip.contract.files import write_bytes
from edgeclip.errors import StoreError
from edgeclip_dashboard.media_parts import MediaParts

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_HASH = re.compile(r"[0-9a-f]{64}")


class MediaFiles:
    """The folder of snapshots.

    Args:
        folder: Made if missing.
        most_bytes: Larger files are refused.

    Raises:
        StoreError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self.parts = MediaParts(folder / "parts", most_bytes=most_bytes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink(missing_ok=True)  # another instance may have looked at the same moment
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({error.strerror}): choose another --media"
            ) from error

    def problem(self, data: bytes) -> str | None:
        """Return why these bytes cannot be a snapshot, or None if they can."""
        if len(data) > self._most_bytes:
            return f"{len(data)} bytes, allowed are {self._most_bytes}"
        if not data.startswith(_START) or not data.rstrip(b"\0").endswith(_END):
            return "not a whole JPEG"
        return None

    def sha256(self, data: bytes) -> str:
        """Return the name that these bytes have here: their SHA-256, 64 hex digits."""
        return hashlib.sha256(data).hexdigest()

    def write(self, data: bytes, sha256: str) -> None:
        """Write a file durably; one that is there is left alone.

        Raises:
            OSError: The disk is full or the folder was taken away.
        """
        path = self._path(sha256)
        if not path.exists():
            write_bytes(path, data)

    def find(self, sha256: str) -> Path | None:
        """Return the file of a hash; None if it is no hash or there is no such file."""
        if not _HASH.fullmatch(sha256):
            return None
        path = self._path(sha256)
        return path if path.is_file() else None

    def _path(self, sha256: str) -> Path:
        # Two levels, so that no folder holds a whole season's files.
        return self._folder / sha256[:2] / f"{sha256}.jpg"
