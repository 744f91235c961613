"""The loop of detect: frames from the source into the pipeline, failures told, systemd fed."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from edgeclip.errors import SourceError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backoff import Backoff
from edgeclip_device.clock import SystemClock, WallClock, believed, boot_now_ns
from edgeclip_device.frames import Frame
from edgeclip_device.motion.gate import GateCounts, MotionGate
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.packs import LoadedPack
from edgeclip_device.pipeline import CommitHook, Committed, Pipeline, PipelineCounts
from edgeclip_device.sources.base import Source
from edgeclip_device.vitals_book import VitalsBook

log = logging.getLogger(__name__)

_LONGEST_RETRY_S = 10.0  # below half of the watchdog's 60 s
_SAY_EVERY_S = 60.0


def _nothing(_committed: Committed) -> None:
    """Listen to no commit."""


@dataclass(frozen=True)
class DetectOptions:
    """What differs between a service, a replay and a test.

    Attributes:
        clock: The machine's clocks.
        start: When a file's first frame was taken; None takes the file's time of change.
        speed: Of a file's frames against their times; 0 is as fast as possible.
        on_commit: Told of every revision that is on disk.
    """

    clock: WallClock = field(default_factory=SystemClock)
    start: datetime | None = None
    speed: float = 0.0
    on_commit: CommitHook = _nothing


@dataclass
class Detector:
    """An opened camera, bundle and outbox, ready to run."""

    source: Source
    pack: LoadedPack
    backend: Backend
    outbox: Outbox
    pipeline: Pipeline
    gate: MotionGate
    notifier: Notifier
    options: DetectOptions
    vitals: VitalsBook
    _beaten_at: float = field(default=-float("inf"))
    _said_at: float = field(default=-float("inf"))
    _origin: float | None = None

    @property
    def gate_counts(self) -> GateCounts:
        """What the motion gate has done so far."""
        return self.gate.counts

    @property
    def counts(self) -> PipelineCounts:
        """What the pipeline has done so far."""
        return self.pipeline.counts

    def run(self, stop: threading.Event) -> None:
        """Watch until the source ends or `stop` is set, then end the open visits.

        Args:
            stop: Set from a signal handler or another thread.

        Raises:
            OutboxError: A detection could not be written.
            SourceError: A file held no frame at all.
        """
        self.pipeline.close_journal()
        backoff = Backoff(_LONGEST_RETRY_S)
        while not stop.is_set():
            try:
                frame = self.source.read()
            except SourceError as error:
                self._on_failure(error, stop, backoff)
                continue
            if frame is None:
                break
            backoff.reset()
            self._pace(frame.at_s, stop)
            self.pipeline.process(_as_if_just_read(frame) if self.options.speed > 0 else frame)
            self.vitals.saw_frame(frame.boot_ns)
            self._on_frame()
        self.notifier.stopping()
        self.pipeline.close("shutdown")
        self.vitals.write(self.gate_counts, self.counts, self.notifier.near_misses)
        if not self.source.is_live and self.gate_counts.frames == 0 and not stop.is_set():
            raise SourceError(f"{self.source.name}: not one frame could be read: check the file")

    def _on_failure(self, error: SourceError, stop: threading.Event, backoff: Backoff) -> None:
        now = believed(self.options.clock.now(), None)
        self.pipeline.fail("camera_failed" if self.source.is_live else "decode_failed", now)
        self.vitals.saw_failure()
        self._beat()
        if not self.source.is_live:
            log.error("%s", error)
            return
        wait_s = backoff.next_wait_s()
        log.error("%s; next try in %.1f s", error, wait_s)
        self.notifier.status(f"camera failed: {error}")
        stop.wait(wait_s)

    def _on_frame(self) -> None:
        counts = self.gate_counts
        if counts.frames == 1:
            log.info("the first frame is here")
            self.notifier.ready()
        now = time.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            self.notifier.status(
                f"{counts.frames} frames, {counts.gated} gated, {self.counts.classified}"
                f" classified, {self.counts.detections} detections"
            )
        self._beat()

    def _beat(self) -> None:
        """Feed the watchdog, if frames or declared failures come and the outbox can be written."""
        self.vitals.write_if_due(self.gate_counts, self.counts, self.notifier.near_misses)
        interval_s = self.notifier.interval_s
        now = time.monotonic()
        if interval_s is None or now - self._beaten_at < interval_s / 2:
            return
        self._beaten_at = now
        self.outbox.beat()
        self.notifier.feed()

    def _pace(self, at_s: float, stop: threading.Event) -> None:
        """Wait until a file's frame is due, where it is played at a speed."""
        if self.source.is_live or self.options.speed <= 0:
            return
        if self._origin is None:
            self._origin = time.monotonic() - at_s / self.options.speed
        stop.wait(max(0.0, self._origin + at_s / self.options.speed - time.monotonic()))


def _as_if_just_read(frame: Frame) -> Frame:
    """Return a paced frame as a camera would have given it now: waiting is no latency."""
    return replace(frame, read_ns=time.monotonic_ns(), boot_ns=boot_now_ns())
