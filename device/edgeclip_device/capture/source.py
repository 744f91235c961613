"""A camera as detect sees it: read by another process, judged here, and helped when it fails."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from edgeclip_device.capture.escalation import Escalation, Step
from edgeclip_device.capture.faults import CameraFaultError, FaultCode
from edgeclip_device.capture.health import CameraReport, LastHour, Rate, quality
from edgeclip_device.capture.process import CaptureProcess, left_behind
from edgeclip_device.capture.ring import Stored
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.clock import WallClock, believed
from edgeclip_device.frames import Frame, NothingYet
from edgeclip_device.sources.base import Source

log = logging.getLogger(__name__)

_SLICE_S = 0.5  # so often a read returns without a frame: the watchdog, SIGTERM and visits wait
_LONGEST_PAUSE_S = 60.0
_DARK_REOPEN_S, _DARK_REOPEN_MOST_S = 60.0, 3600.0
_DONE = {
    "reopen": "it is opened again",
    "restart": "a new capture process takes its place",
    "service": "a restart of the camera service is asked for",
    "reboot": "a reboot is asked for",
}


@dataclass(frozen=True)
class Care:
    """How a camera is judged and helped.

    Attributes:
        timeout_s: Without a frame for so long it has stalled.
        expected_fps: What it should give; None takes what the driver says.
        watch: Looks at its frames.
        escalation: What to try next.
        ask: Asks another unit for `service` or `reboot`, with the reason.
        start_s: How much longer opening may take: an interpreter and OpenCV on a busy board.
    """

    timeout_s: float
    expected_fps: float | None
    watch: FrameWatch
    escalation: Escalation
    ask: Callable[[Step, str], object]
    start_s: float = 10.0


class CapturedSource:
    """Reads a camera through a capture process, which is started at once.

    Args:
        name: For logs, without secrets.
        start: Starts a capture process for it.
        care: How it is judged and helped.
        clock: For the frames' times.
    """

    is_live = True

    def __init__(
        self, name: str, start: Callable[[], CaptureProcess], care: Care, *, clock: WallClock
    ) -> None:
        self.name = name
        self._start, self._care, self._clock = start, care, clock
        self._fault: CameraFaultError | None = None
        self._step: Step | None = None  # what is to be tried, from `_step_at_s` on
        self._step_at_s = 0.0
        self._tries = 0
        self._reopens, self._stalls, self._rate = LastHour(), LastHour(), Rate()
        self._stalls_seen = 0
        self._said_fps: float | None = None
        self._number = self._base = -1
        self._dark_pause_s, self._dark_step_at_s = _DARK_REOPEN_S, -math.inf
        self._is_resting = False
        self._care.watch.begin_anew()
        self._process = self._begin()

    def read(self) -> Frame | NothingYet | None:
        """Return the next frame, or that there is none yet.

        Raises:
            CameraFaultError: The camera has stalled, or shows nothing. Reading again tries to help.
        """
        if self._step is not None and time.monotonic() >= self._step_at_s:
            self._help(self._step)
        until_s = time.monotonic() + _SLICE_S
        while True:
            for word in self._process.words(max(0.0, until_s - time.monotonic())):
                self._hear(word)
            stored = self._newest()
            if stored is not None:
                return self._judged(stored)
            if self._step is None:
                self._check_that_it_lives()
            if time.monotonic() >= until_s:
                return NothingYet(self._clock.boot_ns() / 1e9)

    def health(self) -> CameraReport:
        """Return how the camera does."""
        now_s, care, ring = time.monotonic(), self._care, self._process.ring
        fps = self._rate.per_s(now_s, ring.grabs) if ring else None
        expected = care.expected_fps or self._said_fps
        stalls, reopens = self._stalls.count(now_s), self._reopens.count(now_s)
        return CameraReport(
            fps=fps,
            expected_fps=expected,
            frame_age_s=now_s - ring.beat_ns / 1e9 if ring else None,
            stalls_1h=stalls,
            reopens_1h=reopens,
            quality=quality(fps, expected, stalls, reopens),
            fault=self._fault.code if self._fault else None,
            size=care.watch.size,
            is_infrared=care.watch.is_infrared,
            infrared_switches=care.watch.infrared_switches,
            size_changes=care.watch.size_changes,
            left_behind=left_behind(),
        )

    def rest(self) -> None:
        """Give the camera back until `wake`; what was wrong with it is forgotten."""
        self._process.end()
        self._is_resting = True
        self._fault = self._step = None

    def wake(self) -> None:
        """Open the camera again after `rest`."""
        self._is_resting = False
        self._care.watch.begin_anew()
        self._process = self._begin()

    def close(self) -> None:
        """Give the camera back."""
        if not self._is_resting:
            self._process.end()

    def _begin(self) -> CaptureProcess:
        self._base = self._number + 1
        self._stalls_seen = 0
        self._since_s = time.monotonic() + self._care.start_s  # a frame's age counts from here
        return self._start()

    def _hear(self, word: str) -> None:
        kind, _, rest = word.partition(" ")
        if kind == "opened":
            fps = float(rest)
            self._said_fps = fps if 0.1 <= fps <= 1000 else None
            self._since_s = time.monotonic()
            log.info("%s is open", self.name)
        elif kind == "lost":
            raise self._fail("camera_stalled", rest, answers=True)
        elif kind == "resized":
            log.warning("%s now gives frames of %s: it is opened again", self.name, rest)
            self._begin_anew()

    def _newest(self) -> Stored | None:
        ring, now_s = self._process.ring, time.monotonic()
        if ring is None:
            return None
        self._rate.sample(now_s, ring.grabs)
        self._stalls.add(now_s, ring.stalls - self._stalls_seen)
        self._stalls_seen = ring.stalls
        return self._process.frame()

    def _judged(self, stored: Stored) -> Frame:
        self._number = self._base + stored.number
        now_s, at_s = time.monotonic(), stored.boot_ns / 1e9
        finding = self._care.watch.look(stored.image, at_s)
        if finding.fault == "camera_frozen":
            what = f"{self.name} has given the same frame for {finding.since_s:.0f} s"
            raise self._fail("camera_frozen", what, answers=True)
        if finding.fault == "camera_dark":
            raise self._fail_dark(finding.since_s, now_s)
        self._care.escalation.works(now_s)
        if self._fault is not None:
            log.info("%s works again", self.name)
        self._fault = self._step = None
        self._dark_pause_s, self._dark_step_at_s = _DARK_REOPEN_S, -math.inf
        age = timedelta(seconds=now_s - stored.monotonic_ns / 1e9)
        return Frame(
            image=stored.image,
            number=self._number,
            at_s=at_s,
            captured_at=believed(self._clock.now() - age, self._clock.not_before),
            read_ns=stored.monotonic_ns,
            boot_ns=stored.boot_ns,
            is_new_view=finding.is_new_view,
        )

    def _check_that_it_lives(self) -> None:
        """Look at the process, and at the age of its newest frame.

        Raises:
            CameraFaultError: One of them says that the camera has stalled.
        """
        ended, now_s = self._process.ended, time.monotonic()
        if ended is not None:
            what = f"the capture process of {self.name} ended ({ended})"
            raise self._fail("camera_stalled", what, answers=False)
        beat_s = self._process.ring.beat_ns / 1e9 if self._process.ring else 0.0
        age_s = now_s - max(beat_s, self._since_s)
        if age_s > self._care.timeout_s:
            self._stalls.add(now_s)
            what = f"{self.name} has given no frame for {age_s:.0f} s"
            raise self._fail("camera_stalled", what, answers=False)

    def _fail(self, code: FaultCode, what: str, *, answers: bool) -> CameraFaultError:
        """Return what is wrong, with what will be tried; a step that is due already stays."""
        now_s = time.monotonic()
        if self._step is None:
            self._tries = 0 if self._fault is None else min(self._tries + 1, 10)
            self._step_at_s = now_s + min(_LONGEST_PAUSE_S, 2.0**self._tries - 1)
            self._step = self._care.escalation.next_step(now_s, answers=answers)
        self._fault = CameraFaultError(code, f"{what}: {_DONE[self._step]}")
        return self._fault

    def _fail_dark(self, dark_s: float, now_s: float) -> CameraFaultError:
        """Say that it is dark, and open it again now and then: a lens cap needs no harsher help."""
        what = f"{self.name} has been black for {dark_s:.0f} s: look at lens, light and exposure"
        self._fault = CameraFaultError("camera_dark", what)
        if now_s >= self._dark_step_at_s:
            self._dark_step_at_s = now_s + self._dark_pause_s
            self._dark_pause_s = min(2 * self._dark_pause_s, _DARK_REOPEN_MOST_S)
            self._begin_anew()
        return self._fault

    def _help(self, step: Step) -> None:
        """Do what is to be tried."""
        now_s = time.monotonic()
        self._step = None
        self._reopens.add(now_s)
        is_frozen = self._fault is not None and self._fault.code == "camera_frozen"
        if step in ("service", "reboot"):
            self._care.ask(step, str(self._fault))
        if step == "reopen" and is_frozen:  # the process reads on, and waits for no word of ours
            self._begin_anew()
        elif step == "reopen":
            self._process.reopen()
            self._since_s = now_s + self._care.start_s
        else:
            self._process.kill()
            self._process = self._begin()

    def _begin_anew(self) -> None:
        self._process.end()
        self._process = self._begin()


def camera_report(source: Source) -> CameraReport | None:
    """Return how a camera does; None of what is none."""
    return source.health() if isinstance(source, CapturedSource) else None
