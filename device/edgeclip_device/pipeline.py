"""One camera's frames: gate, classifier, visits, commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import Detection
from edgeclip.contract.static_facts import light_of
from edgeclip.errors import BackendError, SourceError
from edgeclip_device.config import DeviceSettings
from edgeclip_device.deciding import Decider
from edgeclip_device.detections import DetectionWriter, FailureCode
from edgeclip_device.endings import closed_after_restart, ended_failure
from edgeclip_device.frames import Frame
from edgeclip_device.heads import Classification
from edgeclip_device.known_classes import refuse_unknown_classes
from edgeclip_device.limits import RateLimits
from edgeclip_device.motion.gate import GateResult, MotionGate
from edgeclip_device.motion.stuck import StuckWatch
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.pipeline_counts import PipelineCounts
from edgeclip_device.rollout.shadow import Classifies
from edgeclip_device.seen import Seen
from edgeclip_device.strips import strips_of, warn_of_other_strips
from edgeclip_device.visit_records import EndReason, Revision
from edgeclip_device.visits import VisitTracker

log = logging.getLogger(__name__)

_SMALLEST_PX = 16


@dataclass(frozen=True)
class Committed:
    """A detection that is on disk now.

    Attributes:
        detection: With its row number.
        at_s: The time of the newest frame.
        read_ns: Monotonic clock when that frame was read; None for a failure.
        committed_ns: Monotonic clock after the commit.
    """

    detection: Detection
    at_s: float
    read_ns: int | None
    committed_ns: int


CommitHook = Callable[[Committed], None]


def _unobserved(_found: Classification) -> None:
    """Look at no classification."""


@dataclass(frozen=True)
class Stages:
    """What a pipeline joins."""

    gate: MotionGate
    classifier: Classifies
    writer: DetectionWriter
    outbox: Outbox
    observe: Callable[[Classification], None] = _unobserved


class Pipeline:
    """Takes frames in, and leaves detections in the outbox.

    Args:
        stages: What it joins.
        router: The packs: thresholds, and the strips where the camera's table has none.
        settings: The device's configuration.
        on_commit: Told of every revision that is on disk.

    Raises:
        ConfigError: A class of the configuration is none of the packs' targets.
    """

    def __init__(
        self,
        stages: Stages,
        router: PackRouter,
        settings: DeviceSettings,
        *,
        on_commit: CommitHook,
    ) -> None:
        visits = settings.visits
        refuse_unknown_classes(router, settings)
        self.counts = PipelineCounts()
        self.is_armed = True  # else the gate alone goes on
        self._stages = stages
        warn_of_other_strips(settings.camera, router.packs[0].manifest)
        self._strips_px = strips_of(settings.camera, router.packs[0].manifest)
        self._observed = router.packs[router.resident].manifest.task
        self._hold_frames = visits.of
        self._on_commit = on_commit
        self._tracker: VisitTracker[Seen] = VisitTracker(visits)
        self._decider = Decider(router, stages.writer.privacy, visits)
        self._limits = RateLimits(settings.limits, stages.writer.severities.alerts, stages.outbox)
        self._stuck = StuckWatch(stages.outbox.alarms)
        self._facts = {"camera": settings.camera.camera_id, "deployment": settings.deployment_id}
        self._failures: dict[FailureCode, Detection] = {}
        self._newest: Seen | None = None
        self._at_s = 0.0

    def close_journal(self) -> None:
        """End the visits that were open when the last process ended, however it did.

        Raises:
            OutboxError: They could not be written.
        """
        self._stages.outbox.alarms.clear_alarm("engine_failed")  # of the last process
        for detection in self._stages.outbox.open_visits():
            log.info("visit %s was open at the last end: closed", detection.detection_id)
            self._commit(closed_after_restart(detection), [], None)

    def process(self, frame: Frame) -> None:
        """Take one frame in.

        Args:
            frame: With the burned-in strips still on it.

        Raises:
            SourceError: The strips leave nothing of the frame.
            OutboxError: A detection could not be written.
        """
        image = self._without_strips(frame.image)
        self._at_s = frame.at_s
        self.recover("camera_failed", frame.captured_at)
        self.recover("decode_failed", frame.captured_at)
        if frame.is_new_view:
            self._stages.gate.begin_anew()
        began = time.perf_counter()
        gate = self._stages.gate.judge(image, frame.at_s)
        gate_ms = (time.perf_counter() - began) * 1000
        opens = gate.opens and self.is_armed
        if opens and self._limits.lets_through(frame.at_s, forced=gate.report.forced):
            self._classify(frame, image, gate, gate_ms)
        self.counts.rate_limited = self._limits.frames_held_back
        self._commit_all(self._tracker.expire(frame.at_s), 0.0)

    def rest(self, at_s: float) -> None:
        """End what has been quiet for long enough, while no frames come.

        Args:
            at_s: Seconds now, on the source's own clock.

        Raises:
            OutboxError: It could not be written.
        """
        self._commit_all(self._tracker.expire(at_s), 0.0)

    def fail(self, code: FailureCode, at: datetime | None) -> None:
        """Commit a failure once; it lasts until `recover`.

        Args:
            code: What failed.
            at: When; None while the clock is not believed.

        Raises:
            OutboxError: It could not be written.
        """
        self.counts.failures += 1
        if code == "camera_failed":
            self._commit_all(self._tracker.close("camera_fault"), 0.0)
        if code not in self._failures:
            self._failures[code] = self._stages.writer.of_failure(code, at)
            self._commit(self._failures[code], [], None)

    def recover(self, code: FailureCode, at: datetime | None) -> None:
        """End a failure, if it stands.

        Args:
            code: What works again.
            at: When.

        Raises:
            OutboxError: It could not be written.
        """
        failure = self._failures.pop(code, None)
        if failure is not None:
            if code == "engine_failed":
                self._stages.outbox.alarms.clear_alarm(code)
            self._commit(ended_failure(failure, at), [], None)

    def arm(self, is_armed: bool) -> None:
        """Classify frames, or end the open visits and do not; raises as `close` does."""
        if self.is_armed and not is_armed:
            self.close("shutdown")
        self.is_armed = is_armed

    def close(self, reason: EndReason) -> None:
        """End all open visits.

        Raises:
            OutboxError: They could not be written.
        """
        self._commit_all(self._tracker.close(reason), 0.0)

    def _classify(
        self, frame: Frame, image: NDArray[np.uint8], gate: GateResult, gate_ms: float
    ) -> None:
        facts = {**self._facts, "light": light_of(infrared=gate.report.illumination == "ir")}
        try:
            answers = self._stages.classifier.classify(image, gate.crop, facts)
        except BackendError as error:
            log.exception("a frame could not be classified")
            self._stages.outbox.alarms.raise_alarm("engine_failed", f"{error}: see detect's log")
            self.fail("engine_failed", frame.captured_at)
            return
        self.recover("engine_failed", frame.captured_at)
        for answer in answers:
            if answer.task == self._observed:
                self._stages.observe(answer)
        began = time.perf_counter()
        shows_person = self._stages.writer.privacy.shows_person(answers)
        seen = [
            Seen(
                image=image,
                crop=gate.crop,
                captured_at=frame.captured_at,
                boot_ns=frame.boot_ns,
                read_ns=frame.read_ns,
                gate=gate.report,
                gate_ms=gate_ms,
                classification=answer,
                shows_person=shows_person,
            )
            for answer in answers
        ]
        self._newest = seen[0]
        decision = self._decider.decide(frame.at_s, seen)
        self._stages.gate.heed(is_blank=decision.is_blank, is_seen=decision.is_seen)
        report, is_seen = gate.report, decision.is_seen
        self._stuck.saw(forced=report.forced, moved=bool(report.boxes), is_seen=is_seen)
        if any(item.supports for item in decision.sightings.values()):
            self._stages.gate.hold(self._hold_frames)
        revisions = self._tracker.take(decision.sightings, self._stages.writer.wall_ms())
        self.counts.classified += 1
        self.counts.unknown += decision.is_unknown
        self.counts.people += shows_person
        self._commit_all(revisions, (time.perf_counter() - began) * 1000)

    def _without_strips(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        top, bottom = self._strips_px
        height = image.shape[0]
        if height - top - bottom < _SMALLEST_PX:
            raise SourceError(
                f"[camera]: strips of {top} + {bottom} px leave nothing of a frame {height} px"
                " high: lower strip_top_px or strip_bottom_px"
            )
        return image[top : height - bottom]

    def _commit_all(self, revisions: list[Revision[Seen]], decide_ms: float) -> None:
        for revision in revisions:
            newest = self._newest or revision.visit.last.what
            detection, attachments = self._stages.writer.of_visit(revision, newest, decide_ms)
            self._commit(detection, attachments, newest.read_ns)
        self.counts.alerts_held = self._stages.writer.severities.alerts.held_back
        self._limits.keep_alerts()

    def _commit(
        self, detection: Detection, attachments: list[Attachment], read_ns: int | None
    ) -> None:
        outbox = self._stages.outbox
        seq = outbox.emit(detection, attachments)
        committed_ns = time.monotonic_ns()
        self.counts.revisions += 1
        if detection.phase == "new" and detection.failure is None:
            self.counts.detections += 1
            self.counts.alerts += detection.severity == "alert"
        self.counts.retracted += detection.phase == "retract"
        final = detection.model_copy(update={"epoch": outbox.epoch, "seq": seq})
        log.info(
            "%s %s rev %d: %s, row %d",
            detection.phase,
            detection.class_name or detection.failure,
            detection.rev,
            detection.detection_id,
            seq,
        )
        self._on_commit(Committed(final, self._at_s, read_ns, committed_ns))
