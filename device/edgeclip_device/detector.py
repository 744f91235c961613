"""The loop of detect: frames from the source into the pipeline, failures told, systemd fed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from edgeclip.errors import SourceError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backoff import Backoff
from edgeclip_device.capture.faults import FAULT_CODES, CameraFaultError
from edgeclip_device.clock import SystemClock, WallClock, believed, boot_now_ns
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import camera_credentials
from edgeclip_device.errands import Errands
from edgeclip_device.frames import Frame, NothingYet
from edgeclip_device.motion.gate import GateCounts, MotionGate
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.pipeline import CommitHook, Committed, Pipeline
from edgeclip_device.pipeline_counts import PipelineCounts
from edgeclip_device.power.resting import Resting
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.opening import Opening, open_source
from edgeclip_device.strips import strips_of
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
        open_source: Opens what is watched.
        on_desk: Whether a person at a desk looks on, as in a replay: nothing is an alarm there.
    """

    clock: WallClock = field(default_factory=SystemClock)
    start: datetime | None = None
    speed: float = 0.0
    on_commit: CommitHook = _nothing
    open_source: Callable[[Opening], Source] = open_source
    on_desk: bool = False

    def opened(self, settings: DeviceSettings, router: PackRouter) -> Source:
        """Return the source that the settings name, opened; a camera begins to open.

        Raises:
            ConfigError: None is named, or a watched folder without its time zone.
            SourceError: A file cannot be opened.
        """
        opening = Opening(
            settings.camera,
            camera_credentials(),
            self.clock,
            settings.state,
            strips_px=strips_of(settings.camera, router.packs[0].manifest),
            start=self.start,
        )
        return self.open_source(opening)


@dataclass
class Detector:
    """An opened camera, bundle and outbox, ready to run."""

    source: Source
    router: PackRouter
    backend: Backend
    outbox: Outbox
    pipeline: Pipeline
    gate: MotionGate
    notifier: Notifier
    options: DetectOptions
    vitals: VitalsBook
    resting: Resting
    errands: Errands
    _beaten_at: float = field(default=-float("inf"))
    _said_at: float = field(default=-float("inf"))
    _complained_at: float = field(default=-float("inf"))
    _origin: float | None = None
    _is_ready: bool = False
    _has_alarms: bool = True  # of the last process

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
        while not self._is_to_end(stop):
            if self.resting.naps(self.pipeline):
                self._ready()
                self._beat()
                self.errands.tick(None)
                continue
            try:
                frame = self.source.read()
            except SourceError as error:
                self._on_failure(error, stop, backoff)
                self.errands.tick(None)
                continue
            if frame is None:
                break
            if isinstance(frame, NothingYet):
                self._on_nothing(frame)
                self.errands.tick(None)
                continue
            backoff.reset()
            self._pace(frame.at_s, stop)
            try:
                self.pipeline.process(_as_if_just_read(frame) if self.options.speed > 0 else frame)
            except SourceError as error:  # this frame cannot be used
                self._on_failure(error, stop, backoff)
                self.errands.tick(None)
                continue
            self.vitals.saw_frame(frame.boot_ns)
            self._on_frame()
            self.errands.tick(frame.image)
        if not self.errands.begins_anew:
            self.notifier.stopping()
        self.pipeline.close("shutdown")
        self.vitals.write(self.gate_counts, self.counts, self.notifier.near_misses)
        is_over = not self._is_to_end(stop)  # the source, by itself
        if is_over and not self.source.is_live and self.gate_counts.frames == 0:
            raise SourceError(f"{self.source.name}: not one frame could be read: check the file")
        if is_over:
            log.info("the source is at its end: %s", self._done())

    def _is_to_end(self, stop: threading.Event) -> bool:
        return stop.is_set() or self.errands.begins_anew or self.errands.ends

    def _on_failure(self, error: SourceError, stop: threading.Event, backoff: Backoff) -> None:
        now = self._now()
        self.vitals.is_waiting = False
        if not isinstance(error, CameraFaultError):
            self.pipeline.fail("decode_failed", now)
            self._ready()
            self._beat()
            self._complain(error)
            return
        if stop.is_set():  # the camera ends with us
            return
        self.pipeline.fail("camera_failed", now)
        self._beat()
        self.outbox.alarms.raise_alarm(error.code, str(error))  # which logs it, once
        self._has_alarms = True
        self._ready()  # a camera that is missing holds nothing up: neither boot nor installation
        self.notifier.status(f"camera failed: {error}")
        stop.wait(backoff.next_wait_s())

    def _complain(self, error: SourceError) -> None:
        """Log what is wrong with a file, or with the frames of a camera once a minute."""
        now = time.monotonic()
        if not self.source.is_live or now - self._complained_at >= _SAY_EVERY_S:
            self._complained_at = now
            log.error("%s", error)

    def _on_nothing(self, nothing: NothingYet) -> None:
        self.pipeline.rest(nothing.at_s)
        self.vitals.is_waiting = not self.source.is_live
        if not self.source.is_live:  # an empty folder is watched as well as a full one
            self._ready()
            self.pipeline.recover("camera_failed", self._now())
            self._end_alarms()
        self._beat()

    def _now(self) -> datetime | None:
        clock = self.options.clock
        return believed(clock.now(), clock.not_before)

    def _ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self.notifier.ready()

    def _on_frame(self) -> None:
        counts = self.gate_counts
        if counts.frames == 1:
            log.info("the first frame is here")
            self._ready()
        self._end_alarms()
        now = time.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            self.notifier.status(self._done())
        self._beat()

    def _done(self) -> str:
        gate, counts = self.gate_counts, self.counts
        return (
            f"{gate.frames} frames, {gate.gated} gated, {counts.classified} classified,"
            f" {counts.detections} detections"
        )

    def _end_alarms(self) -> None:
        if self._has_alarms:
            self._has_alarms = False
            for code in FAULT_CODES:
                self.outbox.alarms.clear_alarm(code)

    def _beat(self) -> None:
        """Feed the watchdog, if frames or declared failures come and the outbox can be written."""
        self.vitals.is_asleep = self.resting.is_asleep
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
