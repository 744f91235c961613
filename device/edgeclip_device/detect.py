"""detect: joins the camera to the outbox, for as long as it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from edgeclip.errors import OutboxError, SourceError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.choosing import Chosen, choose_backend
from edgeclip_device.backoff import Backoff
from edgeclip_device.classifier import Classifier
from edgeclip_device.clock import SystemClock, WallClock, believed, boot_now_ns
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import camera_credentials
from edgeclip_device.detections import DetectionWriter
from edgeclip_device.frames import Frame
from edgeclip_device.locks import only_process
from edgeclip_device.motion.gate import GateCounts, MotionGate
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.packs import LoadedPack, load_pack
from edgeclip_device.pipeline import CommitHook, Committed, Pipeline, PipelineCounts, Stages
from edgeclip_device.running import RUNNING, running
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.opening import Opening, open_source
from edgeclip_device.sources.stills import StillsSource
from edgeclip_device.trust import Trust
from edgeclip_device.urls import masked
from edgeclip_device.wakeup import Bell

log = logging.getLogger(__name__)

_WARM_UP_S = 120.0  # systemd waits so much longer while an engine is loaded
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
            self._on_frame()
        self.notifier.stopping()
        self.pipeline.close("shutdown")
        if not self.source.is_live and self.gate_counts.frames == 0 and not stop.is_set():
            raise SourceError(f"{self.source.name}: not one frame could be read: check the file")

    def _on_failure(self, error: SourceError, stop: threading.Event, backoff: Backoff) -> None:
        now = believed(self.options.clock.now(), None)
        self.pipeline.fail("camera_failed" if self.source.is_live else "decode_failed", now)
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


@contextmanager
def opened_detector(
    settings: DeviceSettings, notifier: Notifier, options: DetectOptions
) -> Iterator[Detector]:
    """Yield a detector with everything open, and close it all at the end.

    Args:
        settings: The device's configuration.
        notifier: To systemd.
        options: Clock, start, speed, hook.

    Raises:
        ConfigError: Source, bundle or a threshold is missing or wrong.
        SetupError: Another detect works here, or the backend is not installed.
        ArtefactError: The bundle cannot be used.
        SourceError: The camera or file cannot be opened.
        OutboxError: The outbox cannot be opened.
    """
    with ExitStack() as stack:
        stack.enter_context(only_process(settings.state, "detect"))
        trust = Trust(settings.inference, settings.state)
        pack = load_pack(settings.inference, trust.read)
        notifier.extend(_WARM_UP_S)
        chosen = choose_backend(pack, settings.inference)
        stack.callback(chosen.backend.close)
        trust.accept(pack.bundle_manifest)
        outbox = Outbox(settings.state, settings.outbox, options.clock)
        stack.callback(outbox.close)
        source = open_source(
            Opening(settings.camera, camera_credentials(), options.clock, options.start)
        )
        stack.callback(source.close)
        _say_what_runs(settings, source, outbox, (pack, chosen), options.clock)
        bell = Bell(settings.state)
        stack.callback(bell.close)
        yield _join(settings, source, (pack, chosen.backend), outbox, (notifier, options, bell))


def detect(settings: DeviceSettings, stop: threading.Event) -> None:
    """Run the service until the source ends or `stop` is set.

    Args:
        settings: The device's configuration.
        stop: Set from a signal handler.

    Raises:
        EdgeclipError: As `opened_detector` and `Detector.run` say.
    """
    notifier = Notifier()
    try:
        with opened_detector(settings, notifier, DetectOptions()) as detector:
            detector.run(stop)
    except OutboxError:
        log.error("the outbox fails: the process ends, so that systemd starts it anew")
        raise
    finally:
        notifier.close()


def _join(
    settings: DeviceSettings,
    source: Source,
    decides: tuple[LoadedPack, Backend],
    outbox: Outbox,
    reports: tuple[Notifier, DetectOptions, Bell],
) -> Detector:
    pack, backend = decides
    notifier, options, bell = reports
    gate = MotionGate(settings.motion)
    writer = DetectionWriter(
        settings,
        pack,
        (backend.name, backend.precision),
        boot_id=outbox.boot_id,
        clock=options.clock,
    )

    def committed(news: Committed) -> None:
        bell.ring()
        options.on_commit(news)

    stages = Stages(gate, Classifier(backend, pack), writer, outbox)
    pipeline = Pipeline(stages, pack, settings.camera, settings.visits, on_commit=committed)
    return Detector(source, pack, backend, outbox, pipeline, gate, notifier, options)


def _say_what_runs(
    settings: DeviceSettings,
    source: Source,
    outbox: Outbox,
    decides: tuple[LoadedPack, Chosen],
    clock: WallClock,
) -> None:
    """Log what runs once, and leave it for the uplink's `info`."""
    pack, chosen = decides
    name = masked(source.name)
    log.info("source %s, gate %s, outbox %s", name, settings.motion.algorithm, settings.state)
    if isinstance(source, StillsSource) and (
        settings.motion.algorithm != "off" or settings.visits.of > 1
    ):
        log.warning(
            "single images have neither motion nor votes: --motion off --votes 1/1 judges each"
        )
    at = believed(clock.now(), outbox.anchor())
    backend = (chosen.backend.name, chosen.backend.precision)
    what = running(pack.name, backend, name, at, rung=chosen.rung, alarm=chosen.alarm)
    outbox.note(RUNNING, what.model_dump_json())
