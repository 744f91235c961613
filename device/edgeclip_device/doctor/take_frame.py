"""A process that takes one frame: settings of the camera on stdin, facts of the frame on stdout."""

from __future__ import annotations

import json
import sys

from edgeclip.errors import SourceError, run_command_line
from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.clock import SystemClock
from edgeclip_device.credentials import camera_credentials
from edgeclip_device.sources.opening import Opening, open_source


def take() -> None:
    """Print size, mean level and deviation of the camera's next frame.

    Raises:
        EdgeclipError: There is none.
    """
    settings = CameraSettings.model_validate_json(sys.stdin.read())
    source = open_source(Opening(settings, camera_credentials(), SystemClock()))
    try:
        frame = source.read()
    finally:
        source.close()
    if frame is None:
        raise SourceError(f"{source.name}: not one frame")
    height, width = frame.image.shape[:2]
    facts = {
        "width": width,
        "height": height,
        "mean": float(frame.image.mean()),
        "deviation": float(frame.image.std()),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    run_command_line(take)
