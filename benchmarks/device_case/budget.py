"""What a 1080p frame costs beside inference: read, gate, crop, preprocess, decide, commit.

Frames come through the ring that a capture process fills, and go through a real pipeline into a
real outbox. The graph alone is left out: its outputs are ready, and cost nothing. Times are those
of all threads of this process together, so that nothing hides on another core. A visit is
repeated, and of each of its frames the cheapest repeat counts, since the machine is shared.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from statistics import mean
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import prepare
from edgeclip_device.backends.base import Outputs
from edgeclip_device.capture.ring import RingReader, RingWriter
from edgeclip_device.capture.watch import FrameWatch
from edgeclip_device.classifier import Classifier
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.detections import DetectionWriter
from edgeclip_device.frames import Frame
from edgeclip_device.motion.gate import MotionGate
from edgeclip_device.outbox import Outbox
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.packs import LoadedPack
from edgeclip_device.pipeline import Committed, Pipeline, Stages

FULL_HD = (1080, 1920)
ENCODER_PX = 224
_FPS = 5.0
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 80]
_QUIET, _SEEN = 60, 40  # frames of a round: nothing moves, then an animal crosses


@dataclass
class ReadyBackend:
    """Gives outputs that are ready: an animal while it is told so.

    Attributes:
        outputs: By whether there is one.
    """

    outputs: Mapping[bool, Outputs]
    is_seen: bool = False
    name: str = "ready"
    precision: str = "fp32"

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take any pack."""

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what is ready for a batch of this size."""
        ready, count = self.outputs[self.is_seen], len(images)
        return Outputs(
            ready.image_features[:count],
            ready.base_embedding[:count],
            ready.logits[:count],
            ready.probabilities[:count],
        )

    def close(self) -> None:
        """Nothing is open."""


Kind = Literal["stopped", "usual", "committing"]
Cost = tuple[Kind, float]
"""What became of a frame, and ms."""


def frame_budget(pack: LoadedPack, settings: DeviceSettings, rounds: int) -> dict[str, float]:
    """Return ms of one core for a frame that the gate stops, and for one that it lets through.

    Args:
        pack: Any of one target; its preprocessing is set to 224 px.
        settings: With a state folder of its own.
        rounds: Visits.
    """
    cv2.setNumThreads(1)  # as detect does
    with _pipeline(pack, settings) as (pipeline, backend, commits):
        images = _scene()
        costs = [_round(pipeline, backend, commits, images, n) for n in range(rounds)]
    least = [_least(taken) for taken in zip(*costs, strict=True)]
    kinds = {kind: [ms for own, ms in least if own == kind] for kind in get_args(Kind)}
    return {
        "stopped_ms": mean(kinds["stopped"]),
        "let_through_ms": mean(kinds["usual"] + kinds["committing"]),
        "usual_ms": mean(kinds["usual"]),
        "committing_ms": mean(kinds["committing"]),
        "commits_a_visit": len(kinds["committing"]),
        **_parts(images[_QUIET], pack),
    }


def _least(taken: Sequence[Cost]) -> Cost:
    """Return what became of a frame in most rounds, and the least that it took there."""
    usual = Counter(kind for kind, _ in taken).most_common(1)[0][0]
    return usual, min(ms for kind, ms in taken if kind == usual)


@contextmanager
def _pipeline(
    pack: LoadedPack, settings: DeviceSettings
) -> Iterator[tuple[Pipeline, ReadyBackend, list[Committed]]]:
    spec = pack.manifest.preprocess.model_copy(update={"size": ENCODER_PX})
    large = replace(pack, manifest=pack.manifest.model_copy(update={"preprocess": spec}))
    router = PackRouter.of_one(large)
    backend = ReadyBackend({seen: _outputs(large, seen=seen) for seen in (False, True)})
    commits: list[Committed] = []
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
        writer = DetectionWriter(
            settings, router, ("ready", "fp32"), boot_id=outbox.boot_id, clock=SystemClock()
        )
        stages = Stages(MotionGate(settings.motion), Classifier(backend, router), writer, outbox)
        pipeline = Pipeline(stages, router, settings, on_commit=commits.append)
        yield pipeline, backend, commits


def _outputs(pack: LoadedPack, *, seen: bool) -> Outputs:
    target = pack.manifest.class_names.index(pack.manifest.targets[0])
    is_target = np.array(pack.manifest.column_class) == target
    share = np.where(is_target, 0.95 / is_target.sum(), 0.05 / (~is_target).sum())
    if not seen:
        share = np.where(is_target, 0.05 / is_target.sum(), 0.95 / (~is_target).sum())
    probabilities = np.stack([share, share]).astype(np.float32)
    features = np.zeros((2, pack.manifest.base.embed_dim), np.float32)
    return Outputs(features, features, np.log(probabilities), probabilities)


def _round(
    pipeline: Pipeline,
    backend: ReadyBackend,
    commits: list[Committed],
    images: list[NDArray[np.uint8]],
    number: int,
) -> list[Cost]:
    """Run a visit, and return what each frame took."""
    costs: list[Cost] = []
    descriptor = os.memfd_create("ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    writer = RingWriter(descriptor, *FULL_HD)
    with closing(RingReader(descriptor, *FULL_HD)) as ring:
        watch = FrameWatch(0.0)
        start_s = number * 1000.0
        for n, image in enumerate(images):
            backend.is_seen = n >= _QUIET
            writer.write(image, n, n, time.monotonic_ns())
            known, classified = len(commits), pipeline.counts.classified
            began = time.process_time()
            _step(ring, watch, pipeline, start_s + n / _FPS)
            took_ms = (time.process_time() - began) * 1000
            if len(commits) > known:
                costs.append(("committing", took_ms))
            else:
                is_stopped = pipeline.counts.classified == classified
                costs.append(("stopped" if is_stopped else "usual", took_ms))
    os.close(descriptor)
    return costs


def _step(ring: RingReader, watch: FrameWatch, pipeline: Pipeline, at_s: float) -> None:
    """Do with the newest frame what detect does."""
    stored = ring.read()
    if stored is None:
        raise RuntimeError("the ring holds no new frame")
    finding = watch.look(stored.image, at_s)
    pipeline.process(
        Frame(
            image=stored.image,
            number=stored.number,
            at_s=at_s,
            captured_at=datetime.now(timezone.utc),
            read_ns=stored.monotonic_ns,
            boot_ns=stored.boot_ns,
            is_new_view=finding.is_new_view,
        )
    )


def _scene() -> list[NDArray[np.uint8]]:
    """Return BGR frames: textured ground with sensor noise, then a body that crosses it."""
    draw = np.random.default_rng(0)
    height, width = FULL_HD
    ground = cv2.GaussianBlur(
        draw.integers(40, 180, (height, width, 3)).astype(np.uint8), (0, 0), 3
    )
    noises = [draw.integers(-3, 4, (height, width, 1)) for _ in range(4)]
    stills = [np.clip(ground + noise, 0, 255).astype(np.uint8) for noise in noises]
    frames = list(itertools.islice(itertools.cycle(stills), _QUIET))
    for n in range(_SEEN):
        frame = stills[n % 4].copy()
        cv2.ellipse(frame, (300 + 30 * n, 620), (220, 120), 0, 0, 360, (30, 60, 90), -1)
        frames.append(frame)
    return frames


def _parts(image: NDArray[np.uint8], pack: LoadedPack) -> dict[str, float]:
    """Return ms of the parts that cost most, and of two references that tell how busy it was."""
    spec = pack.manifest.preprocess.model_copy(update={"size": ENCODER_PX})
    crop = (0.2, 0.45, 0.25, 0.25)
    return {
        "whole_ms": _least_ms(lambda: prepare(image, spec)),
        "crop_ms": _least_ms(lambda: prepare(image, spec, crop)),
        "copy_and_colours_ms": _least_ms(lambda: cv2.cvtColor(image, cv2.COLOR_BGR2RGB)),
        "reference_gray_ms": _least_ms(lambda: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)),
        "reference_jpeg_ms": _least_ms(lambda: cv2.imencode(".jpg", image, _JPEG)),
        "load_per_core": os.getloadavg()[0] / (os.cpu_count() or 1),
    }


def _least_ms(work: Callable[[], object], rounds: int = 15) -> float:
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        least = min(least, (time.process_time() - began) * 1000)
    return least
