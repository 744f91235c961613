"""The parent's hand on one capture process: start, words, frames, end, and kill."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from edgeclip_device.capture.order import OPENCV, Order
from edgeclip_device.capture.ring import RingReader, Stored
from edgeclip_device.capture.voice import Voice
from edgeclip_device.sources.cameras import CameraAddress

log = logging.getLogger(__name__)

_END_S = 3.0  # longer than the child's own grace
_POLL_S = 0.05
_KILL_S = 1.0  # what SIGKILL has not ended by then is stuck in the kernel
# the parent's own path, so that no module of the working directory is taken for one of ours
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; from edgeclip_device.capture.child import main; main()"
)

_left_behind: list[subprocess.Popen[bytes]] = []


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()


class CaptureProcess:
    """One capture process and its memory.

    Args:
        address: The camera.
        interval_s: Between two frames that are kept.
        opener: Which function opens the camera, as module:name; tests name a driver of theirs.
        kill: Ends the process at once; tests give one that does not, as a kernel may.
    """

    def __init__(
        self,
        address: CameraAddress,
        interval_s: float,
        *,
        opener: str = OPENCV,
        kill: Callable[[subprocess.Popen[bytes]], None] = _kill,
    ) -> None:
        _reap()
        self._kill = kill
        self._ring: RingReader | None = None
        self._memory = os.memfd_create("edgeclip-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._words, theirs = os.pipe()
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, *(path for path in sys.path if path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=(self._memory, theirs),
                start_new_session=True,  # Ctrl-C is the parent's: it ends the child in order
            )
        finally:
            os.close(theirs)
        voice, stdout = Voice(address.name, address.secrets), self._process.stdout
        self._voice = voice.follow(stdout) if stdout is not None else None
        order = Order(address, interval_s, opener, self._memory, theirs)
        self._tell(order.to_line())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def ring(self) -> RingReader | None:
        """Its frames; None until the first."""
        return self._ring

    @property
    def ended(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def words(self, wait_s: float) -> list[str]:
        """Return what the process has said, after waiting for it at most so long."""
        if not select.select([self._words], [], [], wait_s)[0]:
            return []
        said = os.read(self._words, 65_536)
        if not said:  # it has ended; without this wait its reader would spin
            time.sleep(min(wait_s, _POLL_S))
        data = self._rest + said
        *lines, self._rest = data.split(b"\n")
        words = [line.decode(errors="replace") for line in lines]
        for word in words:
            if word.startswith("ring "):
                height, width = (int(part) for part in word.split()[1:3])
                self._ring = RingReader(self._memory, height, width)
        return words

    def frame(self) -> Stored | None:
        """Return the newest frame that was not returned before, or None."""
        return self._ring.read() if self._ring is not None else None

    def reopen(self) -> None:
        """Ask it to open the camera again."""
        self._tell(b"reopen\n")

    def end(self) -> bool:
        """End it in order, so that the camera is given back; else kill it.

        Returns:
            Whether it is gone; one that is stuck in the kernel is left behind.
        """
        self._hang_up()
        if not self._is_gone_within(_END_S):
            self._kill(self._process)
        return self._let_go()

    def kill(self) -> bool:
        """End it at once.

        Returns:
            Whether it is gone; one that is stuck in the kernel is left behind.
        """
        self._kill(self._process)
        self._hang_up()
        return self._let_go()

    def _let_go(self) -> bool:
        is_gone = self._is_gone_within(_KILL_S)
        if is_gone and self._voice is not None:
            self._voice.join(_KILL_S)
        if not is_gone:
            _left_behind.append(self._process)
            log.error("capture process %d does not end: it is left behind", self.pid)
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        for descriptor in (self._words, self._memory):
            os.close(descriptor)
        return is_gone

    def _is_gone_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _hang_up(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _tell(self, line: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):  # it has ended: the next look at it says so
                self._process.stdin.write(line)


def left_behind() -> int:
    """Return how many capture processes are stuck in the kernel, and forget those that ended."""
    _reap()
    return len(_left_behind)


def _reap() -> None:
    _left_behind[:] = [process for process in _left_behind if process.poll() is None]
