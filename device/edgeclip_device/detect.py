"""detect: joins the camera to the outbox, for as long as it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import cv2

from edgeclip.errors import (
    ArtefactError,
    BackendError,
    ConfigError,
    OutboxError,
)
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.choosing import Chosen, choose_backend
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.blame import is_taken_back
from edgeclip_device.classifier import Classifier
from edgeclip_device.clock import SystemClock, believed
from edgeclip_device.config import DeviceSettings
from edgeclip_device.desired import DesiredFile, with_desired
from edgeclip_device.detections import DetectionWriter
from edgeclip_device.detector import DetectOptions, Detector
from edgeclip_device.errands import Errands, Reach
from edgeclip_device.locks import only_process
from edgeclip_device.log_ring import attached_ring
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.own_engines import OwnEngines
from edgeclip_device.pack_router import PackRouter, load_router
from edgeclip_device.packs import LoadedPack, named_bundle
from edgeclip_device.pipeline import Committed, Pipeline, Stages
from edgeclip_device.power.resting import Resting
from edgeclip_device.power.schedule import Schedule
from edgeclip_device.rollout.rollout import Rollout
from edgeclip_device.rollout.shadow import Shadowed
from edgeclip_device.rollout.shelf import Shelf
from edgeclip_device.running import RUNNING, running
from edgeclip_device.signals import on_signals
from edgeclip_device.snapshot_view import SnapshotView
from edgeclip_device.sources.base import Source
from edgeclip_device.sources.stills import StillsSource
from edgeclip_device.sources.watched import WatchedFolder
from edgeclip_device.starts import count_start, has_begun, telling_why
from edgeclip_device.trust import Trust
from edgeclip_device.urls import masked
from edgeclip_device.vitals_book import open_vitals
from edgeclip_device.wakeup import Bell

log = logging.getLogger(__name__)

_WARM_UP_S = 120.0  # systemd waits so much longer while a bundle is read, or one engine loaded


@contextmanager
def opened_detector(
    base: DeviceSettings, notifier: Notifier, options: DetectOptions
) -> Iterator[Detector]:
    """Yield a detector with everything open, and close it all at the end.

    Args:
        base: The device's configuration; the desired state goes over it.
        notifier: To systemd.
        options: Clock, start, speed, hook.

    Raises:
        ConfigError: Source, bundle or a threshold is missing or wrong.
        SetupError: Another detect works here, or the backend is not installed.
        ArtefactError: The bundle cannot be used.
        SourceError: The camera or file cannot be opened.
        OutboxError: The outbox cannot be opened.
    """
    if not base.state.exists():
        named_bundle(base.inference)  # else a state folder is all that comes of it
    with ExitStack() as stack:
        stack.enter_context(only_process(base.state, "detect"))
        if not options.on_desk:  # a person reads the error itself
            stack.enter_context(telling_why(base.state, options.clock))
        outbox = Outbox(base.state, base.outbox, options.clock)
        stack.callback(outbox.close)
        count_start(outbox)
        shelf, settings = _wanted(base)
        trust = Trust(settings.inference, settings.state, shelf.ran_here())
        notifier.busy(_WARM_UP_S)
        router = _load_router(settings, trust, outbox, shelf, on_desk=options.on_desk)
        pack = router.packs[router.resident]
        source = options.opened(settings, router)
        stack.callback(source.close)  # a camera opens while the engine is loaded
        chosen = _choose_backend(settings, pack, notifier, on_desk=options.on_desk)
        stack.callback(chosen.backend.close)
        trust.accept(pack.bundle_manifest)
        _say_what_runs(settings, source, outbox, (router, chosen), options)
        bell = Bell(settings.state)
        stack.callback(bell.close)
        reports = (notifier, options, bell, base, shelf)
        joined = _join(settings, source, (router, chosen.backend), outbox, reports)
        stack.callback(joined.resting.schedule.close)
        stack.callback(joined.errands.close)
        has_begun(outbox)
        notifier.at_work()
        yield joined
        if isinstance(source, WatchedFolder):
            source.stopped_in_order()


def detect(settings: DeviceSettings, stop: threading.Event) -> None:
    """Run the service until the source ends or `stop` is set.

    Args:
        settings: The device's configuration.
        stop: Set from a signal handler.

    Raises:
        EdgeclipError: As `opened_detector` and `Detector.run` say.
    """
    cv2.setNumThreads(1)  # its pool burns more of a small board's cores than it saves
    notifier = Notifier()
    try:
        while _watch_once(settings, notifier, stop):
            log.info("the detector begins anew, with other settings")
    except OutboxError:
        log.error("the outbox fails: the process ends, so that systemd starts it anew")
        raise
    finally:
        notifier.close()


def run_detect(settings: DeviceSettings) -> None:
    """Run detect until the source ends, SIGTERM or SIGINT.

    Raises:
        EdgeclipError: It cannot begin or go on.
    """
    attached_ring()
    stop = threading.Event()
    on_signals(stop.set)
    detect(settings, stop)


def _watch_once(settings: DeviceSettings, notifier: Notifier, stop: threading.Event) -> bool:
    """Run one detector to its end; say whether another one is to begin."""
    options = DetectOptions(clock=SystemClock(settings.clock))
    try:
        with opened_detector(settings, notifier, options) as detector:
            detector.run(stop)
            Shelf(settings).ended_well()
            return detector.errands.begins_anew and not stop.is_set()
    except (ArtefactError, BackendError, ConfigError) as error:
        if not is_taken_back(settings, options, error):
            raise
        return not stop.is_set()


def _join(
    settings: DeviceSettings,
    source: Source,
    decides: tuple[PackRouter, Backend],
    outbox: Outbox,
    reports: tuple[Notifier, DetectOptions, Bell, DeviceSettings, Shelf],
) -> Detector:
    router, backend = decides
    notifier, options, bell, base, shelf = reports
    gate = MotionGate(settings.motion)
    writer = DetectionWriter(
        settings,
        router,
        (backend.name, backend.precision),
        boot_id=outbox.boot_id,
        clock=options.clock,
    )

    def committed(news: Committed) -> None:
        bell.ring()
        rollout.saw(news.detection)
        options.on_commit(news)

    vitals = open_vitals(settings, router.packs[router.resident], outbox, source)
    classifier = Classifier(backend, router)
    shadowed = Shadowed(classifier, router)
    rollout = Rollout(settings, shelf, outbox, options.clock, shadowed)
    stages = Stages(gate, shadowed, writer, outbox, vitals.saw)
    pipeline = Pipeline(stages, router, settings, on_commit=committed)
    view = SnapshotView(settings, router, classifier, writer.privacy)
    errands = Errands(base, outbox, options.clock, Reach(pipeline.arm, view.visible, rollout))
    resting = Resting(Schedule(settings.power, options.clock), source, outbox, bell)
    return Detector(
        source, router, backend, outbox, pipeline, gate, notifier, options, vitals, resting, errands
    )


def _wanted(base: DeviceSettings) -> tuple[Shelf, DeviceSettings]:
    """Count this start; return the packs here, and the settings with all that is wished."""
    settings = with_desired(base, DesiredFile(base.state).read())
    shelf = Shelf(settings)
    if shelf.count_start():
        raise BackendError("it ended again and again after its promotion")
    return shelf, shelf.applied(shelf.read().serving)


def _choose_backend(
    settings: DeviceSettings, pack: LoadedPack, notifier: Notifier, *, on_desk: bool
) -> Chosen:
    """Return what runs a pack, by an engine that this device believes where it has one."""
    own = OwnEngines(settings.inference, settings.state)
    ladder = Ladder(believes=own.believes, on_try=lambda: notifier.busy(_WARM_UP_S))
    level = logging.INFO if on_desk else logging.ERROR
    return choose_backend(pack, settings.inference, ladder, alarm_level=level)


def _load_router(
    settings: DeviceSettings, trust: Trust, outbox: Outbox, shelf: Shelf, *, on_desk: bool
) -> PackRouter:
    """Load the packs that decide; one that may not is an alarm."""
    try:
        router = load_router(settings.inference, settings.router, trust.read)
    except ArtefactError as error:
        if not on_desk:
            outbox.alarms.raise_alarm("pack_rejected", str(error))
        raise
    state = shelf.read()
    outbox.alarms.set_alarm("pack_rejected", state.reason if state.is_rejected else None)
    return router


def stills_hint(settings: DeviceSettings, source: Source) -> str:
    """Return why single images are hardly ever detections as it is set; empty where they can be."""
    can_be = settings.motion.algorithm == "off" and settings.visits.of == 1
    if can_be or not isinstance(source, StillsSource | WatchedFolder):
        return ""
    return "single images have neither motion nor votes: --motion off --votes 1/1 judges each"


def _say_what_runs(
    settings: DeviceSettings,
    source: Source,
    outbox: Outbox,
    decides: tuple[PackRouter, Chosen],
    options: DetectOptions,
) -> None:
    """Log what runs once, and leave it for the uplink's `info`."""
    router, chosen = decides
    name = masked(source.name)
    log.info("source %s, gate %s, outbox %s", name, settings.motion.algorithm, settings.state)
    if hint := stills_hint(settings, source):
        log.log(logging.INFO if options.on_desk else logging.WARNING, "%s", hint)
    at = believed(options.clock.now(), options.clock.not_before)
    backend = (chosen.backend.name, chosen.backend.precision)
    bundled = router.packs[0].bundle_manifest.packs
    packs = [f"{pack.task}@{pack.version}" for pack in bundled]
    what = running(router.names, backend, name, at, rung=chosen.rung, alarm=chosen.alarm)
    what = what.model_copy(update={"packs_available": packs})
    outbox.note(RUNNING, what.model_dump_json())
    if chosen.alarm and not options.on_desk:  # told where the backend was chosen, at each start
        outbox.alarms.raise_alarm("degraded_precision", chosen.alarm, is_logged=True)
    else:
        outbox.alarms.clear_alarm("degraded_precision")
