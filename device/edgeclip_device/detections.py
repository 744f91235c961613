"""From a visit's revision, or a failure, to the detection that is committed."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Literal

from edgeclip.contract.attribute_answers import Attributes
from edgeclip.contract.detection import (
    AppliedThresholds,
    Detection,
    Latency,
    PackUse,
    Place,
    Time,
    Votes,
    new_id,
)
from edgeclip.contract.pack import ObservationType, PackClass
from edgeclip.contract.places import told_place
from edgeclip_device.albums import Albums
from edgeclip_device.clock import WallClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.outbox import Attachment
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.packs import LoadedPack
from edgeclip_device.privacy import Privacy
from edgeclip_device.seen import Seen
from edgeclip_device.severities import Severities
from edgeclip_device.sights import told_features, told_where, within_limit
from edgeclip_device.visit_records import Revision, Visit

FailureCode = Literal["engine_failed", "camera_failed", "decode_failed"]
UNKNOWN = ""  # in place of a class: something moved that is like none


class DetectionWriter:
    """Writes the detections of one camera.

    Args:
        settings: Who and where.
        router: What decides.
        backend: Its name and precision.
        boot_id: The kernel's id of this boot.
        clock: How far times can be trusted.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        router: PackRouter,
        backend: tuple[str, str],
        *,
        boot_id: str,
        clock: WallClock,
    ) -> None:
        self._settings = settings
        self._packs = {pack.manifest.task: pack for pack in router.packs}
        self._uses = {task: _use(pack, backend) for task, pack in self._packs.items()}
        self._first = router.packs[0].manifest
        self._clock = clock
        self._boot_id = boot_id
        self.privacy = Privacy(settings.privacy, settings.state)
        self.severities = Severities(settings.visits, self.privacy, settings.limits)
        self._albums = Albums(settings.media, self.privacy, self._first.preprocess.margin)

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
        visit, seen = revision.visit, revision.visit.best.what
        album = self._albums.of(visit.detection_id)
        is_new_best = album.of_at_s != visit.best.at_s
        attachments = self._albums.take_pictures(visit, album)
        found, class_ = seen.classification, self._class(visit)
        kind: ObservationType = class_.observation_type if class_ else "unknown"
        name = class_.name if class_ else None
        if album.latency is None:
            album.latency = _latency(newest, decide_ms)
        if album.severity is None:
            album.severity = self.severities.of_new(name, kind, visit.last.at_s)
        detection = self._detection(
            detection_id=visit.detection_id,
            rev=visit.rev,
            phase=revision.phase,
            severity=album.severity,
            time=self._time(visit, has_ended=revision.phase in ("end", "retract")),
            class_name=name,
            observation_type=kind,
            scientific_name=class_.scientific_name if class_ else None,
            probability=_unit(visit.best.probability) if class_ else None,
            margin=round(found.margin(name), 4) if name else None,
            top=found.top(),
            votes=_votes(visit),
            thresholds=_applied(visit) if class_ else None,
            gate=seen.gate,
            pack=self._uses[found.task],
            media=album.refs,
            location=self._place(name),
            latency_ms=album.latency,
            end_reason=revision.end_reason,
            continued_from=visit.continued_from,
            attributes=self._attributes(visit, name, kind),
            **self._sight(seen, name, kind, is_new_best=is_new_best),
        )
        return within_limit(detection), attachments

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
                "pack": self._uses[self._first.task],
                **fields,
            }
        )

    def _sight(
        self, seen: Seen, class_name: str | None, kind: ObservationType, *, is_new_best: bool
    ) -> dict[str, object]:
        """Return what is told of what the encoder saw: nothing of a person."""
        if kind == "human":
            return {}
        media, manifest = self._settings.media, self._packs[seen.classification.task].manifest
        margin = self._first.preprocess.margin
        told = told_where(seen, class_name, manifest, margin) if media.heat else None
        heat, box = told or (None, None)
        is_sent = media.features and is_new_best
        features = told_features(seen, manifest) if is_sent else None
        return {"features": features, "heat": heat, "box": box}

    def _attributes(
        self, visit: Visit[Seen], class_name: str | None, kind: ObservationType
    ) -> Attributes | None:
        """Return what the visit's frames say in words: of animals alone."""
        task = visit.best.what.classification.task
        bank = self._packs[task].attributes
        if not self._settings.visits.attributes or bank is None or kind != "animal":
            return None
        return visit.votes.told(task, bank, class_name or "")

    def _class(self, visit: Visit[Seen]) -> PackClass | None:
        """Return the visit's class as the pack of its best frame has it."""
        classes = self._packs[visit.best.what.classification.task].manifest.classes
        return next((item for item in classes if item.name == visit.class_name), None)

    def _place(self, class_name: str | None) -> Place:
        """Return what may be told of where the class was: withheld unless it is said otherwise."""
        location = self._settings.location
        rule = location.classes.get(class_name or "")
        if rule is None or location.latitude is None or location.longitude is None:
            return Place()
        position = (location.latitude, location.longitude)
        return told_place(position, rule.mode, rule.precision_deg, location.uncertainty_m)

    def _time(self, visit: Visit[Seen], *, has_ended: bool) -> Time:
        return Time(
            started_at=visit.first.what.captured_at,
            best_at=visit.best.what.captured_at,
            ended_at=visit.last.what.captured_at if has_ended else None,
            boot_ns=visit.best.what.boot_ns,
            clock=self._clock.trust(),
        )


def _use(pack: LoadedPack, backend: tuple[str, str]) -> PackUse:
    manifest = pack.manifest
    return PackUse(
        task=manifest.task,
        version=manifest.version,
        manifest_sha256=pack.manifest_sha256,
        base=manifest.base.arch[:64],
        backend=backend[0],
        precision=backend[1],
    )


def _applied(visit: Visit[Seen]) -> AppliedThresholds:
    return AppliedThresholds(**visit.best.thresholds.model_dump())


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
