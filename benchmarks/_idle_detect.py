"""A detect whose camera is scripted: the process that `benchmarks.idle` measures."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from edgeclip_device.capture.opening import captured
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import load_settings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.notify import Notifier
from edgeclip_device.power.resting import Resting

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the scripted camera is the tests'

from support.capture_drivers import OPENER, camera


def main(config: Path, folder: Path) -> None:
    """Run until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = load_settings(config, {})
    options = DetectOptions(clock=SystemClock(settings.clock))
    with opened_detector(settings, Notifier(), options) as detector:
        detector.source.close()
        address = camera(folder, "frames 100000000")
        detector.source = captured(
            address, settings.camera, settings.state, (0, 0), clock=options.clock, opener=OPENER
        )
        old = detector.resting
        detector.resting = Resting(old.schedule, detector.source, detector.outbox, old.bell)
        detector.run(stop)
        detector.source.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
