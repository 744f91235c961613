"""What detect counts of itself, and writes into the outbox twice a minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from edgeclip.contract.health import (
    CameraHealth,
    GateHealth,
    InferHealth,
    ProcessHealth,
    VisitHealth,
)
from edgeclip_device.capture.health import CameraReport
from edgeclip_device.capture.source import camera_report
from edgeclip_device.clock import boot_now_ns
from edgeclip_device.config import DeviceSettings
from edgeclip_device.drift import DriftWatch
from edgeclip_device.heads import Classification
from edgeclip_device.machine.memory import available_mb, resident_mb
from edgeclip_device.machine.tree import Tree
from edgeclip_device.motion.gate import GateCounts
from edgeclip_device.outbox import Outbox
from edgeclip_device.packs import LoadedPack
from edgeclip_device.pipeline_counts import PipelineCounts
from edgeclip_device.sources.base import Source
from edgeclip_device.starts import starts
from edgeclip_device.vitals import VITALS, Vitals

DRIFT = "drift"  # key in `meta`
EVERY_S = 30.0
_FIRST_S = 2.0  # who has just started detect asks how it does
_ANCHOR_S = 600.0
_RECENT = 500  # classifications whose times are remembered


class VitalsBook:
    """Keeps count in detect, and writes it into the outbox twice a minute.

    Args:
        outbox: Takes the vitals.
        expected_fps: Frames a second that are wanted.
        drift: Of the pack.
        tree: The machine's files.
        report: Says how the camera does; None of what is no camera.
    """

    def __init__(
        self,
        outbox: Outbox,
        expected_fps: float,
        drift: DriftWatch,
        tree: Tree | None = None,
        *,
        report: Callable[[], CameraReport | None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._expected_fps = expected_fps
        self._report = report
        self._drift = drift
        self._drift_kept = drift.stored()
        self._tree = tree or Tree()
        self._starts = starts(outbox)
        self._frame_ns: int | None = None
        self._infer_ms: deque[float] = deque(maxlen=_RECENT)
        self._anchor_due_at = 0.0
        self._due_at = time.monotonic() + _FIRST_S
        self.is_asleep = False
        self.is_waiting = False
        self._before = (time.monotonic(), 0, 0, 0)  # when, frames, let through, classified

    def saw_frame(self, boot_ns: int) -> None:
        """Note a frame."""
        self._frame_ns = boot_ns
        self.is_waiting = False

    def saw(self, found: Classification) -> None:
        """Note a classification."""
        self._infer_ms.append(found.infer_ms)
        self._drift.saw(found)

    def write_if_due(self, gate: GateCounts, counts: PipelineCounts, near_misses: int) -> None:
        """Write, soon after the beginning, then at most every 30 s.

        Raises:
            OutboxError: It could not be written.
        """
        if time.monotonic() >= self._due_at:
            self.write(gate, counts, near_misses)

    def write(self, gate: GateCounts, counts: PipelineCounts, near_misses: int) -> None:
        """Write now.

        Raises:
            OutboxError: It could not be written.
        """
        self._due_at = time.monotonic() + EVERY_S
        vitals = self._vitals(gate, counts, near_misses)
        self._outbox.note(VITALS, vitals.model_dump_json())
        if time.monotonic() >= self._anchor_due_at:
            self._anchor_due_at = time.monotonic() + _ANCHOR_S
            self._outbox.keep_anchor()
        reference = self._drift.stored()
        if reference is not None and reference != self._drift_kept:
            self._outbox.note(DRIFT, reference)
            self._drift_kept = reference

    def _vitals(self, gate: GateCounts, counts: PipelineCounts, near_misses: int) -> Vitals:
        now, let_through = time.monotonic(), gate.frames - gate.gated
        before, frames, passed, classified = self._before
        span_s, new_frames = max(now - before, 1e-3), gate.frames - frames
        self._before = (now, gate.frames, let_through, counts.classified)
        open_pct = 100 * (let_through - passed) / new_frames if new_frames else None
        return Vitals(
            boot_id=self._outbox.boot_id,
            boot_ns=boot_now_ns(),
            frame_ns=self._frame_ns,
            camera=self._camera(round(new_frames / span_s, 2)),
            gate=GateHealth(
                open_pct=None if open_pct is None else round(open_pct, 2),
                infer_per_min=round(60 * (counts.classified - classified) / span_s, 2),
                forced=gate.forced,
                suppressed=gate.suppressed,
                audit_hits=gate.audit_hits,
                recalibrations=gate.recalibrations,
            ),
            infer=self._infer(counts.classified),
            drift=self._drift.report(),
            visits=VisitHealth(
                new=counts.detections,
                alerts=counts.alerts,
                rate_limited=counts.rate_limited + counts.alerts_held,
            ),
            process=ProcessHealth(
                restarts=max(self._starts - 1, 0), watchdog_near_misses=near_misses
            ),
            rss_mb=resident_mb(self._tree),
            available_mb=available_mb(self._tree),
            is_asleep=self.is_asleep,
            is_waiting=self.is_waiting,
        )

    def _camera(self, looked_at_fps: float) -> CameraHealth:
        report = self._report()
        if report is None:
            return CameraHealth(fps=looked_at_fps, expected_fps=self._expected_fps)
        return CameraHealth(
            fps=None if report.fps is None else round(report.fps, 2),
            expected_fps=report.expected_fps,
            stalls_1h=report.stalls_1h,
            reopens_1h=report.reopens_1h,
            quality=report.quality,
        )

    def _infer(self, count: int) -> InferHealth:
        if not self._infer_ms:
            return InferHealth(count=count)
        p50, p95 = np.percentile(self._infer_ms, (50, 95))
        return InferHealth(count=count, p50_ms=round(float(p50), 2), p95_ms=round(float(p95), 2))


def open_vitals(
    settings: DeviceSettings, pack: LoadedPack, outbox: Outbox, source: Source
) -> VitalsBook:
    """Return the book of a detect that begins; drift goes on where the last one ended.

    Raises:
        OutboxError: The outbox cannot be read or written.
    """
    key = f"{pack.manifest_sha256}/{settings.deployment_id}"
    drift = DriftWatch(key, pack.thresholds, outbox.noted(DRIFT))
    return VitalsBook(outbox, settings.camera.max_fps, drift, report=lambda: camera_report(source))
