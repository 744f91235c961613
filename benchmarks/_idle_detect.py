"""A detect whose camera is scripted: the process that `benchmarks.idle` measures."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from edgeclip_device.capture.opening import captured
from edgeclip_device.capture.source import CapturedSource
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import load_settings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.notify import Notifier
from edgeclip_device.sources.opening import Opening

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the scripted camera is the tests'

from support.capture_drivers import OPENER, camera


def main(config: Path, folder: Path) -> None:
    """Run until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = load_settings(config, {})
    address = camera(folder, "frames 100000000")

    def open_scripted(opening: Opening) -> CapturedSource:
        return captured(
            address, opening.camera, opening.state, (0, 0), clock=opening.clock, opener=OPENER
        )

    options = DetectOptions(clock=SystemClock(settings.clock), open_source=open_scripted)
    with opened_detector(settings, Notifier(), options) as detector:
        detector.run(stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
