"""From a visit's revision, or a failure, to the detection that is committed."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import (
    AppliedThresholds,
    Detection,
    Gate,
    Latency,
    MediaRef,
    PackUse,
    Severity,
    Time,
    Votes,
    new_id,
)
from edgeclip.contract.preprocess import crop_square
from edgeclip.contract.preprocess_spec import Box
from edgeclip_device.classifier import Classification
from edgeclip_device.clock import WallClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment
from edgeclip_device.packs import LoadedPack
from edgeclip_device.visits import Revision, Visit

_MOST_MEDIA = 16  # a detection names no more
_REMEMBERED = 64  # detections whose numbering goes on; far more than can be in their cool-down

FailureCode = Literal["engine_failed", "camera_failed", "decode_failed"]


@dataclass(frozen=True)
class Seen:
    """What a detection needs of a classified frame.

    Attributes:
        image: `(H, W, 3)` uint8, RGB, without burned-in strips.
        crop: Where something moved, relative to the image.
        boot_ns: Boot-time clock when it was read.
        read_ns: Monotonic clock at the same moment.
        gate_ms: What the motion gate took.
    """

    image: NDArray[np.uint8] = field(repr=False)
    crop: Box | None
    captured_at: datetime | None
    boot_ns: int
    read_ns: int
    gate: Gate
    gate_ms: float
    classification: Classification


@dataclass
class _Album:
    """The media of one detection so far, and what its first revision measured."""

    refs: list[MediaRef] = field(default_factory=list)
    next_n: int = 0
    of_at_s: float | None = None
    latency: Latency | None = None


class DetectionWriter:
    """Writes the detections of one camera.

    Args:
        settings: Who and where.
        pack: What decides.
        backend: Its name and precision.
        boot_id: The kernel's id of this boot.
        clock: How far times can be trusted.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        pack: LoadedPack,
        backend: tuple[str, str],
        *,
        boot_id: str,
        clock: WallClock,
    ) -> None:
        self._settings = settings
        self._pack = pack
        self._clock = clock
        self._boot_id = boot_id
        self._albums: OrderedDict[str, _Album] = OrderedDict()
        manifest = pack.manifest
        self._use = PackUse(
            task=manifest.task,
            version=manifest.version,
            manifest_sha256=pack.manifest_sha256,
            base=manifest.base.arch[:64],
            backend=backend[0],
            precision=backend[1],
        )
        self._classes = {item.name: item for item in manifest.classes}

    def of_visit(
        self, revision: Revision[Seen], newest: Seen, decide_ms: float
    ) -> tuple[Detection, list[Attachment]]:
        """Return the detection of a visit's revision, and its new media.

        Args:
            revision: What changed.
            newest: The frame that made it change.
            decide_ms: What the visit logic took.

        Raises:
            DataError: No snapshot of the frame fits into the largest size.
        """
        visit = revision.visit
        album = self._album(visit.detection_id)
        attachments = self._new_media(visit, album)
        if album.latency is None:
            album.latency = _latency(newest, decide_ms)
        seen, class_ = visit.best.what, self._classes[visit.class_name]
        applied = self._pack.thresholds[visit.class_name]
        detection = self._detection(
            detection_id=visit.detection_id,
            rev=visit.rev,
            phase=revision.phase,
            severity=self._severity(visit.class_name),
            time=self._time(visit, has_ended=revision.phase == "end"),
            class_name=visit.class_name,
            observation_type=class_.observation_type,
            scientific_name=class_.scientific_name,
            probability=_unit(visit.best.probability),
            margin=round(seen.classification.margin(visit.class_name), 4),
            top=seen.classification.top(),
            votes=_votes(visit),
            thresholds=AppliedThresholds(**applied.model_dump()),
            gate=seen.gate,
            media=album.refs,
            latency_ms=album.latency,
            end_reason=revision.end_reason,
            continued_from=visit.continued_from,
        )
        return detection, attachments

    def of_failure(self, code: FailureCode, at: datetime | None) -> Detection:
        """Return the first revision of a failure: it names no class, and is never blank.

        Args:
            code: What failed.
            at: When; None while the clock is not believed.
        """
        boot_ns, trust = self._clock.boot_ns(), self._clock.trust()
        return self._detection(
            detection_id=new_id(self.wall_ms()),
            rev=0,
            phase="new",
            severity="routine",
            time=Time(started_at=at, best_at=at, ended_at=None, boot_ns=boot_ns, clock=trust),
            class_name=None,
            observation_type="unclassified",
            probability=None,
            top=[],
            votes=None,
            thresholds=None,
            failure=code,
            gate=None,
            media=[],
            latency_ms=Latency(gate=0, infer=0, decide=0, total=0),
        )

    def wall_ms(self) -> int:
        """Return the wall time in ms, for ids: they sort by it."""
        return int(self._clock.now().timestamp() * 1000)

    def _detection(self, **fields: object) -> Detection:
        """Return a detection of this camera; the outbox sets epoch and row number."""
        settings = self._settings
        return Detection.model_validate(
            {
                "device_id": settings.device_id,
                "project": settings.project,
                "deployment_id": settings.deployment_id,
                "camera_id": settings.camera.camera_id,
                "epoch": self._boot_id,
                "seq": 1,
                "boot_id": self._boot_id,
                "pack": self._use,
                **fields,
            }
        )

    def _album(self, detection_id: str) -> _Album:
        album = self._albums.setdefault(detection_id, _Album())
        self._albums.move_to_end(detection_id)
        while len(self._albums) > _REMEMBERED:
            self._albums.popitem(last=False)
        return album

    def _new_media(self, visit: Visit[Seen], album: _Album) -> list[Attachment]:
        """Return snapshots of the best frame, unless it is the one that was sent before."""
        if album.of_at_s == visit.best.at_s:
            return []
        album.of_at_s = visit.best.at_s
        seen, settings = visit.best.what, self._settings.media
        snapshots = [encode(seen.image, "full", settings)]
        if seen.crop is not None:
            margin = self._pack.manifest.preprocess.margin
            snapshots.append(encode(crop_square(seen.image, seen.crop, margin), "crop", settings))
        made = [Attachment(album.next_n + i, item) for i, item in enumerate(snapshots)]
        album.next_n += len(made)
        album.refs = [*(item.ref for item in made), *album.refs][:_MOST_MEDIA]
        return made

    def _severity(self, class_name: str) -> Severity:
        return "routine" if class_name in self._settings.visits.routine_classes else "alert"

    def _time(self, visit: Visit[Seen], *, has_ended: bool) -> Time:
        return Time(
            started_at=visit.first.what.captured_at,
            best_at=visit.best.what.captured_at,
            ended_at=visit.last.what.captured_at if has_ended else None,
            boot_ns=visit.best.what.boot_ns,
            clock=self._clock.trust(),
        )


def closed_after_restart(detection: Detection) -> Detection:
    """Return the end of a visit that was open when the last process ended.

    Args:
        detection: Its last revision.
    """
    times = detection.time.model_copy(update={"ended_at": detection.time.best_at})
    changes: dict[str, object] = {
        "rev": detection.rev + 1,
        "phase": "end",
        "time": times,
        "end_reason": "restart",
    }
    return detection.model_copy(update=changes)


def ended_failure(detection: Detection, at: datetime | None) -> Detection:
    """Return the end of a failure.

    Args:
        detection: Its first revision.
        at: When what failed worked again.
    """
    times = detection.time.model_copy(update={"ended_at": at})
    return detection.model_copy(
        update={"rev": detection.rev + 1, "phase": "end", "time": times, "end_reason": "quiet"}
    )


def _latency(newest: Seen, decide_ms: float) -> Latency:
    total_ms = (time.monotonic_ns() - newest.read_ns) / 1e6
    return Latency(
        gate=round(newest.gate_ms, 2),
        infer=round(newest.classification.infer_ms, 2),
        decide=round(decide_ms, 2),
        total=round(total_ms, 2),
    )


def _votes(visit: Visit[Seen]) -> Votes:
    return Votes(
        frames=visit.frames,
        agreeing=visit.agreeing,
        median=_unit(visit.median),
        peak=_unit(visit.best.probability),
    )


def _unit(probability: float) -> float:
    """Return a probability with four places: a sum of float32 may exceed 1 by a hair."""
    return round(min(max(probability, 0.0), 1.0), 4)
