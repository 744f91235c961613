"""A bundle made ready on this device: its engine built, proved rung by rung, and measured.

The best rung is built and its golden frames are run by the backend that will serve; one that
computes something else is known for it, and the next is built.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from edgeclip.contract.bundle import Rung
from edgeclip.contract.engine_record import keep_benchmark
from edgeclip.errors import BackendError, GateError, GpuError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.golden import golden_frames
from edgeclip_device.backends.ladder import Candidate, Ladder, offered
from edgeclip_device.building import BuildOptions, Built, build_engine
from edgeclip_device.config import InferenceSettings
from edgeclip_device.own_engines import OwnEngines
from edgeclip_device.packs import LoadedPack
from edgeclip_device.verifying import Verdict, Verification, verify_backends

CALLS, WARM_UP = 50, 5
_RUNGS: tuple[Rung, ...] = get_args(Rung)


@dataclass(frozen=True)
class Prepared:
    """What came of it.

    Attributes:
        verification: Of each backend that a start would try.
        figures: Of the one that serves: one frame a call, ms, as `b1_p50_ms`.
    """

    verification: Verification
    figures: dict[str, float]


@dataclass(frozen=True)
class Preparation:
    """What is made ready, and by whom.

    Attributes:
        pack: Of the bundle.
        settings: The table `[inference]`: backend and precision.
        own: Remembers engines that were built here, where there are keys.
        options: What the builder is told.
        tell: Hears of each step, a line each.
        ladder: What engines need of the machine.
        build: `edgeclip-export engine`.
    """

    pack: LoadedPack
    settings: InferenceSettings
    own: OwnEngines
    options: BuildOptions
    tell: Callable[[str], object]
    ladder: Ladder
    build: Callable[[Path, BuildOptions], Built] = build_engine

    def run(self) -> Prepared:
        """Build, prove and measure what will serve the pack here.

        Raises:
            SetupError: The named backend, or every one, is missing here, or a build cannot begin.
            BackendError: A build failed, or the GPU did.
            GateError: The named precision computes something else.
            BundleMismatchError: The bundle has no graph for it.
            PackError: The golden outputs cannot be read.
            OutboxError: The state folder cannot be written.
        """
        figures = {}
        if self.settings.backend != "onnxruntime" and self._can_run():
            figures = self._built_down()
        found = verify_backends(self.pack, self.settings, self.ladder)
        if found.serves and not figures:
            figures = self._measured(found.serves)
        return Prepared(found, figures)

    def _measured(self, serves: Verdict) -> dict[str, float]:
        """Return the figures of a backend that was not built just now."""
        candidates = offered(self.pack, self.settings, self.ladder).candidates
        named = serves.backend, serves.rung
        chosen = next(each for each in candidates if (each.backend, each.precision) == named)
        backend = chosen.open()
        try:
            backend.bind(self.pack.slots)
            return measured(backend, self.pack)
        finally:
            backend.close()

    def _can_run(self) -> bool:
        try:
            self.ladder.this_machine()
        except SetupError as error:
            if self.settings.backend == "tensorrt":
                raise
            self.tell(f"- no engine is built: {error}")
            return False
        return True

    def _built_down(self) -> dict[str, float]:
        """Go down to the first engine that computes rightly; return its figures, or none."""
        for _ in _RUNGS:
            try:
                built = self._seen_built()
            except GateError as error:
                if self.options.precision != "auto":
                    raise
                self.tell(f"- {error}")
                return {}
            figures = self._judged(built)
            if figures or self.options.precision != "auto":
                return figures
        return {}

    def _seen_built(self) -> Built:
        """Return an engine that was seen when it was built, where there are keys; else any."""
        built = self.build(self.pack.bundle, self.options)
        precision = built.sidecar.made_from.precision
        if built.was_there and not self.own.believes(built.sidecar):
            self.tell(f"- nobody here saw {built.path.name} built, and a key is configured: again")
            again = replace(self.options, precision=precision, rebuild=True)
            built = self.build(self.pack.bundle, again)
        elif built.was_there:
            self.tell(f"- {built.path.name} ({precision}) is built already")
        if not built.was_there:
            self.tell(f"✓ built {built.path.name} ({precision}) in {built.sidecar.build_s:.0f} s")
            self.own.remember(built.sidecar)
        return built

    def _judged(self, built: Built) -> dict[str, float]:
        """Return the figures of an engine that computes rightly; of another none, and keep that."""
        known = built.path, built.sidecar
        opened = partial(self.ladder.engine, *known)
        candidate = Candidate("tensorrt", built.sidecar.made_from.precision, opened, known)
        try:
            backend, parity = candidate.judged(self.pack)
        except GpuError:
            raise  # it says nothing of the engine: the next rung would fail as well
        except BackendError as error:
            self.tell(f"✗ {candidate.name} cannot run: {error}")
            return {}
        try:
            if problems := parity.problems(self.pack.bundle_manifest.tolerance):
                self.tell(f"✗ {candidate.name}: {'; '.join(problems)}")
                return {}
            figures = measured(backend, self.pack)
        finally:
            backend.close()
        keep_benchmark(*known, figures)
        return figures


def measured(backend: Backend, pack: LoadedPack) -> dict[str, float]:
    """Return what one frame a call takes, ms, as an engine's sidecar keeps it.

    Args:
        backend: With the pack bound.
        pack: Its golden frames are run.
    """
    images, _, _ = golden_frames(pack)
    times_ms = []
    for call in range(-WARM_UP, CALLS):
        index = call % len(images)
        began = time.perf_counter()
        backend.run(images[index : index + 1])
        if call >= 0:
            times_ms.append(1000 * (time.perf_counter() - began))
    return {
        f"b1_p{p}_ms": round(float(np.percentile(times_ms, p, method="higher")), 3)
        for p in (50, 95, 99)
    }
