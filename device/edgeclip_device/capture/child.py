"""The capture process: opens a camera, and writes its frames into shared memory until told to end.

It is an interpreter of its own: a driver that hangs, or takes its process along, takes nothing
else. To its parent it says one word a line: opened, ring, frame, lost, resized. From it it hears
`reopen`; when its stdin ends, so does it, also after a kill of the parent.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from io import RawIOBase
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import SourceError
from edgeclip_device.capture.order import Order
from edgeclip_device.capture.ring import RingWriter
from edgeclip_device.sources.cameras import Capture, Opener, open_camera

_GRACE_S = 2.0  # to give the camera back; argus wants that
_LONGEST_WORD = 500
_STALL_S, _STALL_FRAMES = 1.0, 5  # a gap that is longer than both is a stall


class _ResizedError(Exception):
    """The camera's frames have another size now."""


class Child:
    """Reads one camera.

    Args:
        order: What the parent wants.
        opener: Opens the camera.
    """

    def __init__(self, order: Order, opener: Opener) -> None:
        self._order = order
        self._opener = opener
        self._ring: RingWriter | None = None
        self._number = -1
        self._due_ns = 0
        self._beat_ns = 0
        self._stall_ns = int(_STALL_S * 1e9)
        self._stop, self._reopen = threading.Event(), threading.Event()

    def listen(self, orders: RawIOBase) -> None:
        """Follow the parent until it closes its end; then end, whatever the camera does."""
        while orders.readline():
            self._reopen.set()
        self._stop.set()
        self._reopen.set()
        time.sleep(_GRACE_S)
        os._exit(0)

    def run(self) -> None:
        """Capture until told to end, or the frames change their size."""
        while not self._stop.is_set():
            try:
                self._capture()
            except SourceError as error:
                self._say(f"lost {error}")
            except _ResizedError as error:
                self._say(f"resized {error}")
                return
            self._reopen.wait()
            self._reopen.clear()

    def _capture(self) -> None:
        camera = open_camera(self._order.address, self._opener)
        try:
            fps = camera.get(cv2.CAP_PROP_FPS)
            self._stall_ns = int(max(_STALL_S, _STALL_FRAMES / fps if fps > 0 else 0) * 1e9)
            self._say(f"opened {fps}")
            self._beat_ns = 0
            while not self._stop.is_set():
                self._take(camera)
        finally:
            camera.release()

    def _take(self, camera: Capture) -> None:
        name = self._order.address.name
        if not camera.grab():
            raise SourceError(f"{name} gives no frame")
        self._number += 1
        now_ns, boot_ns = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._beat(now_ns)
        if boot_ns < self._due_ns:
            return
        # a camera's frames come a little early
        self._due_ns = boot_ns + int(self._order.interval_s * 0.95e9)
        done, image = camera.retrieve()
        if not done or image is None or image.ndim != 3:
            raise SourceError(f"{name} gives a frame that cannot be decoded")
        self._put(np.asarray(image, np.uint8), boot_ns, now_ns)

    def _beat(self, now_ns: int) -> None:
        if self._ring is not None:
            stalled = 0 < self._beat_ns < now_ns - self._stall_ns
            self._ring.beat(now_ns, stalled=stalled)
        self._beat_ns = now_ns

    def _put(self, image: NDArray[np.uint8], boot_ns: int, now_ns: int) -> None:
        height, width = image.shape[:2]
        if self._ring is None:
            self._ring = RingWriter(self._order.memory, height, width)
            self._ring.beat(now_ns, stalled=False)
            self._say(f"ring {height} {width}")
        if image.shape != self._ring.shape:
            raise _ResizedError(f"{width} x {height}")
        self._ring.write(image, self._number, boot_ns, now_ns)
        self._say("frame")

    def _say(self, word: str) -> None:
        line = word.replace("\n", " ")[:_LONGEST_WORD] + "\n"
        try:
            os.write(self._order.words, line.encode())
        except BlockingIOError:  # the parent is busy; it looks at the ring, too
            return


def main() -> None:
    """Follow the order on stdin.

    systemd tells SIGTERM to a unit's every process: this one waits for its parent, which then gives
    the camera back in order and takes the silence for no failure.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    orders = os.fdopen(0, "rb", buffering=0)
    order = Order.from_line(orders.readline())
    os.set_blocking(order.words, False)
    module, _, name = order.opener.partition(":")
    child = Child(order, getattr(importlib.import_module(module), name))
    listener = threading.Thread(target=child.listen, args=(cast(RawIOBase, orders),), daemon=True)
    listener.start()
    child.run()
