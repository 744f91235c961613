"""The ladder of a pack: an engine of rung fp16, fp16-attn32, fp32, then ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from edgeclip.contract.bundle import Rung
from edgeclip.contract.engine_faults import keep_failure, keep_parity
from edgeclip.contract.engine_gate import EngineParity
from edgeclip.contract.engine_key import EngineSidecar, EngineSurvey, Machine, survey_engines
from edgeclip.contract.requires import require_runtime
from edgeclip.errors import BackendError, BundleMismatchError, EdgeclipError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.golden import golden_parity
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack

log = logging.getLogger(__name__)

OpenEngine = Callable[[Path, str], Backend]

_RUNGS: tuple[Rung, ...] = get_args(Rung)
LAST_RUNG = len(_RUNGS) + 1
"""ONNX Runtime's place on the ladder."""


def _nothing() -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Ladder:
    """What an engine needs of the machine; tests put a stand-in here.

    Attributes:
        machine: Says what an engine must have been built for; None asks TensorRT and the driver.
        open_engine: Loads an engine; None takes TensorRT.
        believes: Whether an engine may be loaded where `[inference].public_keys` is set; None
            believes none there. Without keys it is not asked.
        on_try: Called before each that is loaded: that may take minutes.
    """

    machine: Callable[[], Machine] | None = None
    open_engine: OpenEngine | None = None
    believes: Callable[[EngineSidecar], bool] | None = None
    on_try: Callable[[], None] = _nothing

    def this_machine(self) -> Machine:
        """Return what an engine must have been built for to run here.

        Raises:
            SetupError: TensorRT or a GPU is missing.
        """
        from edgeclip_device.backends.tensorrt_backend import this_machine

        return (self.machine or this_machine)()

    def engine(self, path: Path, sidecar: EngineSidecar) -> Backend:
        """Return an engine, loaded.

        Raises:
            SetupError: TensorRT or a GPU is missing.
            BackendError: It cannot be loaded.
        """
        from edgeclip_device.backends.tensorrt_backend import TensorRtBackend

        precision = sidecar.made_from.precision
        if self.open_engine:
            return self.open_engine(path, precision)
        return TensorRtBackend(path, precision, sha256=sidecar.engine_sha256)


@dataclass(frozen=True)
class Candidate:
    """One backend that may serve.

    Attributes:
        backend: tensorrt or onnxruntime.
        precision: What it computes in.
        open: Loads it; it raises as `Ladder.engine` and `open_onnxruntime`.
        engine: Its file and sidecar; None for ONNX Runtime.
    """

    backend: str
    precision: Rung
    open: Callable[[], Backend]
    engine: tuple[Path, EngineSidecar] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"engine {self.engine[0].name} {self.precision}" if self.engine else self.backend

    @property
    def rung(self) -> int:
        """Its place on the ladder, 1 to `LAST_RUNG`."""
        return 1 + _RUNGS.index(self.precision) if self.engine else LAST_RUNG

    def judged(self, pack: LoadedPack, most: int | None = None) -> tuple[Backend, EngineParity]:
        """Return it with the pack bound, and how far it lies from the golden outputs.

        An engine that cannot be loaded or run, or computes something else, is known for that from
        then on, as `edgeclip.contract.engine_faults` says.

        Args:
            pack: What is bound.
            most: How many golden frames at most; None for all.

        Raises:
            SetupError: What it needs is not installed.
            BundleMismatchError: The bundle has no graph for it, or is for another version.
            BackendError: It cannot be loaded or run.
            PackError: The golden outputs cannot be read.
        """
        with self._kept():
            backend = self.open()
        try:
            backend.bind(pack.slots)
            with self._kept():
                parity = golden_parity(backend, pack, most)
        except BaseException:
            backend.close()
            raise
        problems = parity.problems(pack.bundle_manifest.tolerance)
        if self.engine and (problems or most is None):  # a few frames are no proof, only a refusal
            keep_parity(*self.engine, parity.figures(), problems)
        return backend, parity

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except BackendError as error:
            if self.engine:
                keep_failure(*self.engine, error)
            raise


@dataclass(frozen=True)
class Offer:
    """What may serve a pack under the settings.

    Attributes:
        candidates: The best rung first.
        absent: Why there is no engine at all among them, where one was not excluded.
        notes: Why engines of the bundle are not among them.
        asked_rung: The one that was asked for, by name or as the best.
    """

    candidates: tuple[Candidate, ...]
    absent: EdgeclipError | None
    notes: tuple[str, ...]
    asked_rung: int

    def alarm(self, served: Candidate, failures: list[str]) -> str:
        """Return why another rung than was asked for serves; empty where that one does.

        Args:
            served: The candidate that serves.
            failures: What became of those before it.
        """
        if served.rung <= self.asked_rung:
            return ""
        absent = [str(self.absent)] if self.absent else []
        return "; ".join([*absent, *failures, *self.notes])


def offered(pack: LoadedPack, settings: InferenceSettings, ladder: Ladder) -> Offer:
    """Return what may serve; nothing is loaded yet.

    Args:
        pack: What is to be bound.
        settings: The table `[inference]`.
        ladder: What engines need of the machine.
    """
    candidates: list[Candidate] = []
    notes: tuple[str, ...] = ()
    absent = None
    if settings.backend != "onnxruntime":
        try:
            engines, notes = _engines(pack, settings, ladder)
            candidates += engines
        except (SetupError, BundleMismatchError) as error:
            absent = error  # the alarm, or the error, tells it
    if settings.backend != "tensorrt" and settings.precision in ("auto", "fp32"):
        opened = partial(open_onnxruntime, pack, settings)
        candidates.append(Candidate("onnxruntime", "fp32", opened))
    return Offer(tuple(candidates), absent, notes, _asked_rung(settings))


def _asked_rung(settings: InferenceSettings) -> int:
    if settings.backend == "onnxruntime":
        return LAST_RUNG
    return 1 if settings.precision == "auto" else 1 + _RUNGS.index(settings.precision)


def _engines(
    pack: LoadedPack, settings: InferenceSettings, ladder: Ladder
) -> tuple[list[Candidate], tuple[str, ...]]:
    """Return the engines that may serve, and why others do not.

    Raises:
        SetupError: TensorRT or a GPU is missing.
        BundleMismatchError: None may, or the bundle needs another version of the runtime.
    """
    machine = ladder.this_machine()
    require_runtime(pack.bundle_manifest.requires, machine.runtime, machine.runtime_version)
    survey = survey_engines(pack.bundle, pack.bundle_manifest, machine)
    unseen = _unseen(survey, settings, ladder)
    refused = (*_refused(survey), *unseen.values())
    wanted = [
        Candidate("tensorrt", sidecar.made_from.precision, partial(ladder.engine, path, sidecar),
                  (path, sidecar))
        for path, sidecar in survey.fitting
        if settings.precision in ("auto", sidecar.made_from.precision)
        and path.name not in unseen
    ]  # fmt: skip
    build = f"`edgeclip-export engine {pack.bundle} --precision {settings.precision}`"
    if not wanted:
        rung = "" if settings.precision == "auto" else f"{settings.precision} "
        why = f" ({'; '.join(refused)})" if refused else ""
        raise BundleMismatchError(
            f"{pack.bundle} has no {rung}engine for this machine{why}: run {build} here"
        )
    if wanted[0].rung > _asked_rung(settings) and not refused:
        refused = (f"no {_RUNGS[0]} engine is built: run {build} here",)
    return wanted, refused


def _unseen(survey: EngineSurvey, settings: InferenceSettings, ladder: Ladder) -> dict[str, str]:
    """Return engines that fit, and that this device did not see built, where it has keys."""
    if not settings.public_keys:
        return {}
    return {
        path.name: f"engine {path.name}: a key is configured, and this device did not see it built:"
        " run `edgeclip-device prepare` here"
        for path, sidecar in survey.fitting
        if ladder.believes is None or not ladder.believes(sidecar)
    }


def _refused(survey: EngineSurvey) -> tuple[str, ...]:
    """Return why engines do not serve here; those of another runtime are none of this one's."""
    for name, reason in survey.refused.items():
        log.warning("engine %s is passed over: %s", name, reason)
    return tuple(
        f"engine {name}: {reason}"
        for name, reason in survey.refused.items()
        if name not in survey.of_other_runtime
    )


def open_onnxruntime(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    """Return ONNX Runtime with the bundle's graph for it; nothing is bound or checked yet.

    Raises:
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
        BundleMismatchError: The bundle has no graph for it, or needs another version of it.
    """
    from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend, installed_version

    manifest = pack.bundle_manifest
    require_runtime(manifest.requires, "onnxruntime", installed_version())
    graph = manifest.graph_for("onnxruntime")
    return OnnxRuntimeBackend(pack.bundle / graph.file, settings.threads)
