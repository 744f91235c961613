"""A pipeline with a real outbox and a real graph, fed by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import Detection
from edgeclip.errors import BackendError
from edgeclip_device.backends.base import Outputs
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.detections import DetectionWriter
from edgeclip_device.frames import Frame
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.outbox import Outbox
from edgeclip_device.pack_router import load_router
from edgeclip_device.pipeline import Committed, Pipeline, Stages
from support.clocks import NOON, StandingClock
from support.drawn_clips import FPS
from support.tiny_bundle import GRAPH_FILE


@dataclass
class FragileBackend:
    """ONNX Runtime that fails while it is told to."""

    inner: OnnxRuntimeBackend
    is_broken: bool = False
    name: str = "onnxruntime"
    precision: str = "fp32"

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take a pack."""
        self.inner.bind(slots)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute, or fail."""
        if self.is_broken:
            raise BackendError("out of memory")
        return self.inner.run(images)

    def close(self) -> None:
        """Give memory back."""
        self.inner.close()


@dataclass
class Rig:
    """A pipeline with a real outbox, and what it committed."""

    pipeline: Pipeline
    classifier: Classifier
    backend: FragileBackend
    outbox: Outbox
    settings: DeviceSettings
    commits: list[Committed] = field(default_factory=list)
    number: int = 0

    def feed(self, images: list[NDArray[np.uint8]]) -> None:
        """Process images at the drawn clips' rate."""
        for image in images:
            at_s = self.number / FPS
            frame = Frame(image, self.number, at_s, NOON + timedelta(seconds=at_s), 1, 2)
            self.pipeline.process(frame)
            self.number += 1

    def rows(self) -> list[Detection]:
        """Return what lies in the outbox."""
        with closing(sqlite3.connect(self.settings.state / DATABASE_FILE)) as connection:
            rows = connection.execute("SELECT payload FROM outbox ORDER BY seq").fetchall()
        return [Detection.model_validate_json(row[0]) for row in rows]


@contextmanager
def opened_rig(settings: DeviceSettings, **manifest: object) -> Iterator[Rig]:
    """Yield a pipeline; fields of the pack's manifest may be given."""
    router = load_router(settings.inference, settings.router)
    packs = [replace(p, manifest=p.manifest.model_copy(update=manifest)) for p in router.packs]
    router = replace(router, packs=tuple(packs))
    pack = packs[router.resident]
    clock = StandingClock()
    backend = FragileBackend(OnnxRuntimeBackend(pack.bundle / GRAPH_FILE, 1))
    backend.bind(pack.slots)
    with closing(Outbox(settings.state, settings.outbox, clock)) as outbox:
        commits: list[Committed] = []
        writer = DetectionWriter(
            settings, router, ("onnxruntime", "fp32"), boot_id=outbox.boot_id, clock=clock
        )
        classifier = Classifier(backend, router)
        stages = Stages(MotionGate(settings.motion), classifier, writer, outbox)
        pipeline = Pipeline(stages, router, settings, on_commit=commits.append)
        yield Rig(pipeline, classifier, backend, outbox, settings, commits)
