"""A detect with a scripted 1080p camera, or all of it but the engine: what `device_start` measures.

python -m benchmarks._start_detect FOLDER whole|without-engine
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from edgeclip_device.capture.opening import captured
from edgeclip_device.capture.source import CapturedSource
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import load_settings
from edgeclip_device.credentials import Credentials
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.frames import Frame
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.pack_router import load_router
from edgeclip_device.sources.opening import Opening

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the scripted camera is the tests'

from support.capture_drivers import OPENER, camera

FRAMES = 30
log = logging.getLogger(__name__)


def open_scripted(opening: Opening) -> CapturedSource:
    """Open a camera of 1080 rows."""
    opening.state.mkdir(parents=True, exist_ok=True)
    address = camera(opening.state, "full_hd 100000000")
    return captured(
        address, opening.camera, opening.state, (0, 0), clock=opening.clock, opener=OPENER
    )


def whole(folder: Path) -> None:
    """Run detect as the service does, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = load_settings(folder / "device.toml", {})
    options = DetectOptions(open_source=open_scripted)
    with opened_detector(settings, Notifier(), options) as detector:
        detector.run(stop)


def without_engine(folder: Path) -> None:
    """Do all that detect does but load and run the engine, and then wait to be looked at."""
    settings = load_settings(folder / "device.toml", {})
    router = load_router(settings.inference, settings.router)
    opening = Opening(settings.camera, Credentials(), SystemClock(), settings.state)
    gate = MotionGate(settings.motion)
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())),
        closing(open_scripted(opening)) as source,
    ):
        while gate.counts.frames < FRAMES:
            frame = source.read()
            if isinstance(frame, Frame):
                gate.judge(frame.image, frame.at_s)
        log.info("ready, with %s", router.names)
        time.sleep(60)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    {"whole": whole, "without-engine": without_engine}[sys.argv[2]](Path(sys.argv[1]))
