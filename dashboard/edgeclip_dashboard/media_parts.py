"""Snapshots that arrive in parts: kept on disk until all parts are there, then joined."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from edgeclip.contract.files import write_bytes
from edgeclip_dashboard.messages import MediaMessage, PartMessage

log = logging.getLogger(__name__)

_MOST_BEGUN = 200  # the oldest goes: without a receipt its device sends it again


class MediaParts:
    """The folder of what has begun to arrive.

    Args:
        folder: Made when the first part comes.
        most_bytes: What would become larger is refused.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def problem(self, message: PartMessage) -> str | None:
        """Return why a part cannot be kept, or None if it can."""
        size = len(message.data) * (message.parts - 1)  # all but the last are of one size
        if message.part < message.parts and size > self._most_bytes:
            of = f"{message.parts} parts of {len(message.data)} bytes"
            return f"{of}, allowed are {self._most_bytes} in all"
        return None

    def add(self, message: PartMessage) -> MediaMessage | None:
        """Keep a part durably; return the whole snapshot if it was the last that was missing.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        folder = self._of(message)
        if not folder.exists():
            self._make_room()
        path = folder / str(message.part)
        if not path.exists():
            write_bytes(path, message.data)
        paths = [folder / str(number) for number in range(1, message.parts + 1)]
        if not all(path.exists() for path in paths):
            return None
        try:
            data = b"".join(path.read_bytes() for path in paths)
        except FileNotFoundError:
            return None  # another instance has joined them, stored the snapshot, and cleaned up
        return MediaMessage(message.device_id, message.detection_id, message.n, data)

    def forget(self, message: PartMessage) -> None:
        """Remove the parts of a snapshot that is stored."""
        shutil.rmtree(self._of(message), ignore_errors=True)

    def _of(self, message: PartMessage) -> Path:
        name = f"{message.device_id}-{message.detection_id}-{message.n}-{message.parts}"
        return self._folder / name

    def _make_room(self) -> None:
        if not self._folder.is_dir():
            return
        begun = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in begun[: max(0, len(begun) - _MOST_BEGUN + 1)]:
            log.warning("%d snapshots have begun to arrive: %s is dropped", len(begun), path.name)
            shutil.rmtree(path, ignore_errors=True)
