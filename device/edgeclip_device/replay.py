"""Replay: detect over a clip, uplink beside it, and what came of each detection."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edgeclip.contract.detection import Detection
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import broker_credentials
from edgeclip_device.detect import opened_detector, stills_hint
from edgeclip_device.detector import DetectOptions, Detector
from edgeclip_device.drain import DrainCounts
from edgeclip_device.link_report import UplinkOptions
from edgeclip_device.motion.gate import GateCounts
from edgeclip_device.notify import Notifier
from edgeclip_device.pipeline import Committed
from edgeclip_device.pipeline_counts import PipelineCounts
from edgeclip_device.rows import Released
from edgeclip_device.uplink_thread import UplinkThread


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        start: When the clip's first frame was taken; None takes the file's time of change.
        speed: 0 is as fast as possible, 1 the clip's own time.
        wait_s: How long to wait for receipts after the clip's end.
    """

    start: datetime | None = None
    speed: float = 0.0
    wait_s: float = 60.0


@dataclass
class Replayed:
    """One detection of a replay, as of its last revision.

    Attributes:
        confirmed_at_s: When in the clip it was raised.
        read_at: Wall time when the frame that raised it was read.
        commit_ms: From reading that frame to the commit.
        receipt_ms: From the commit of the first revision to its receipt; None without one.
    """

    detection: Detection
    confirmed_at_s: float
    read_at: datetime | None
    commit_ms: float | None
    receipt_ms: float | None = None


@dataclass
class ReplayResult:
    """What a replay did; `hint` says why single images are hardly ever detections as it is set."""

    clip: str
    backend: str
    pack: str
    state: Path
    broker: str | None
    is_gated: bool = True
    hint: str = ""
    seconds: float = 0.0
    gate: GateCounts = field(default_factory=GateCounts)
    counts: PipelineCounts = field(default_factory=PipelineCounts)
    drain: DrainCounts = field(default_factory=DrainCounts)
    detections: list[Replayed] = field(default_factory=list)
    waiting: tuple[int, int] = (0, 0)
    last_error: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether everything has its receipt."""
        return self.broker is not None and self.waiting == (0, 0)


class _Ledger:
    """Follows each row from its frame to its receipt; the receipts come from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits: list[Committed] = []
        self._receipted_ns: dict[int, int] = {}

    def committed(self, news: Committed) -> None:
        with self._lock:
            self._commits.append(news)

    def released(self, released: Released) -> None:
        now_ns = time.monotonic_ns()
        with self._lock:
            self._receipted_ns.update(dict.fromkeys(released.seqs, now_ns))

    def detections(self) -> list[Replayed]:
        """Return one entry a detection, in the order in which they were raised."""
        with self._lock:
            found: dict[str, Replayed] = {}
            for news in self._commits:
                known = found.get(news.detection.detection_id)
                if known is None:
                    found[news.detection.detection_id] = self._entry(news)
                else:
                    known.detection = news.detection
            return list(found.values())

    def _entry(self, news: Committed) -> Replayed:
        receipted_ns = self._receipted_ns.get(news.detection.seq)
        return Replayed(
            detection=news.detection,
            confirmed_at_s=news.at_s,
            read_at=_wall(news.read_ns) if news.read_ns is not None else None,
            commit_ms=(news.committed_ns - news.read_ns) / 1e6 if news.read_ns else None,
            receipt_ms=(receipted_ns - news.committed_ns) / 1e6 if receipted_ns else None,
        )


def replay(settings: DeviceSettings, options: ReplayOptions) -> ReplayResult:
    """Run detect over a clip, and where a broker is named the uplink beside it.

    Without a state folder of its own the outbox lies in a temporary one, which is removed if
    everything was delivered.

    Args:
        settings: With the clip as its source.
        options: Speed and waiting.

    Raises:
        EdgeclipError: Clip, bundle, outbox or broker cannot be used.
    """
    camera = settings.camera.model_copy(update={"watch": False})  # a replay has an end
    settings = settings.model_copy(update={"camera": camera})
    ledger = _Ledger()
    detect_options = DetectOptions(
        start=options.start, speed=options.speed, on_commit=ledger.committed, on_desk=True
    )
    notifier = Notifier()
    began = time.monotonic()
    with _state(settings) as (settings, is_temporary):
        with opened_detector(settings, notifier, detect_options) as detector:
            result = _new_result(settings, detector)
            if settings.mqtt.url is None:
                detector.run(threading.Event())
                result.waiting = detector.outbox.waiting()
            else:
                _run_with_uplink(settings, detector, options, ledger, result)
            result.gate, result.counts = detector.gate_counts, detector.counts
        result.detections = ledger.detections()
        result.seconds = time.monotonic() - began
        if is_temporary and result.is_delivered:
            shutil.rmtree(settings.state, ignore_errors=True)
    return result


def _run_with_uplink(
    settings: DeviceSettings,
    detector: Detector,
    options: ReplayOptions,
    ledger: _Ledger,
    result: ReplayResult,
) -> None:
    on_desk = UplinkOptions(ledger.released, on_desk=True)
    thread = UplinkThread(settings, broker_credentials(), on_desk)
    thread.start()
    try:
        detector.run(threading.Event())
        thread.wait_until(lambda: detector.outbox.waiting() == (0, 0), options.wait_s)
        result.waiting = detector.outbox.waiting()
        result.drain = thread.uplink.counts
        result.last_error = thread.uplink.report.error
    finally:
        thread.stop()


@contextmanager
def _state(settings: DeviceSettings) -> Iterator[tuple[DeviceSettings, bool]]:
    """Yield the settings with a state folder, and whether that is a temporary one."""
    if "state" in settings.model_fields_set:
        yield settings, False
        return
    folder = Path(tempfile.mkdtemp(prefix="edgeclip-replay-"))
    try:
        yield settings.model_copy(update={"state": folder}), True
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _new_result(settings: DeviceSettings, detector: Detector) -> ReplayResult:
    return ReplayResult(
        clip=detector.source.name,
        backend=f"{detector.backend.name} {detector.backend.precision}",
        pack=detector.router.names,
        state=settings.state,
        broker=settings.mqtt.url,
        is_gated=settings.motion.algorithm != "off",
        hint=stills_hint(settings, detector.source),
    )


def _wall(monotonic_ns: int) -> datetime:
    ago = timedelta(microseconds=(time.monotonic_ns() - monotonic_ns) / 1000)
    return datetime.now(timezone.utc) - ago
