"""A process that takes one frame: settings of the camera on stdin, facts of the frame on stdout.

The facts are empty where the source is a folder into which nothing has come yet.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from edgeclip.errors import SourceError, run_command_line
from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.clock import SystemClock
from edgeclip_device.credentials import camera_credentials
from edgeclip_device.frames import Frame
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.folder_scan import scan
from edgeclip_device.sources.image_files import IMAGE_SUFFIXES
from edgeclip_device.sources.opening import Opening, open_source
from edgeclip_device.sources.watched import VIDEO_SUFFIXES

_PATIENCE_S = 20.0


def take() -> None:
    """Print size, mean level and deviation of the camera's next frame.

    Raises:
        EdgeclipError: There is none.
    """
    settings = CameraSettings.model_validate_json(sys.stdin.read())
    if settings.watch and _waits_for_files(Path(settings.source or "")):
        sys.stdout.write("{}\n")
        return
    camera = settings.model_copy(update={"may_reboot": False})
    with tempfile.TemporaryDirectory() as state:  # what was done for the camera stays untouched
        source = open_source(Opening(camera, camera_credentials(), SystemClock(), Path(state)))
        try:
            frame = _first(source)
        finally:
            source.close()
    height, width = frame.image.shape[:2]
    facts = {
        "width": width,
        "height": height,
        "mean": float(frame.image.mean()),
        "deviation": float(frame.image.std()),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def _waits_for_files(folder: Path) -> bool:
    """Say whether a watched folder is there and holds no file that a camera writes."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return False
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    return not any(found.path.suffix.lower() in suffixes for found in scan(folder, lambda _: {}))


def _first(source: Source) -> Frame:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        frame = source.read()
        if frame is None:
            break
        if isinstance(frame, Frame):
            return frame
    raise SourceError(f"{source.name}: not one frame")


if __name__ == "__main__":
    run_command_line(take)
