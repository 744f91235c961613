"""Which backend runs: what was asked for, or with auto the best rung that computes rightly.

The ladder: an engine of rung fp16, fp16-attn32, fp32, then ONNX Runtime. `auto` walks it and says
which rung it is on and why; a backend or precision that is named and fails stops.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import Rung
from edgeclip.contract.engine_gate import EngineParity, Outputs, engine_parity
from edgeclip.contract.engine_key import EngineSidecar, Machine, survey_engines
from edgeclip.contract.pack import GOLDEN_FILE
from edgeclip.contract.requires import require_runtime
from edgeclip.errors import BackendError, BundleMismatchError, EdgeclipError, PackError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack

log = logging.getLogger(__name__)

OpenEngine = Callable[[Path, str], Backend]

_GOLDEN_FRAMES = 3
_RUNGS: tuple[Rung, ...] = get_args(Rung)
LAST_RUNG = len(_RUNGS) + 1
"""ONNX Runtime's place on the ladder."""


@dataclass(frozen=True)
class Ladder:
    """What an engine needs of the machine; tests put a stand-in here.

    Attributes:
        machine: Says what an engine must have been built for; None asks TensorRT and the driver.
        open_engine: Loads an engine; None takes TensorRT.
    """

    machine: Callable[[], Machine] | None = None
    open_engine: OpenEngine | None = None

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

        return (self.open_engine or TensorRtBackend)(path, sidecar.made_from.precision)


@dataclass(frozen=True)
class Chosen:
    """The backend that runs.

    Attributes:
        backend: With the pack bound.
        rung: Its place on the ladder, 1 to `LAST_RUNG`.
        alarm: Why it is below the first rung; empty on it, and where the operator named what runs.
    """

    backend: Backend
    rung: int
    alarm: str = ""


@dataclass(frozen=True)
class _Candidate:
    name: str
    rung: int
    open: Callable[[], Backend]


def open_backend(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    """Return the backend of `choose_backend` alone."""
    return choose_backend(pack, settings).backend


def choose_backend(
    pack: LoadedPack, settings: InferenceSettings, ladder: Ladder | None = None
) -> Chosen:
    """Return the backend with the pack bound, after it computed golden outputs rightly.

    Args:
        pack: What is to be bound.
        settings: The table `[inference]`.
        ladder: None is this machine's.

    Raises:
        SetupError: What was asked for is not installed.
        BackendError: It cannot load the graph, or computes something else than the exporter did.
        BundleMismatchError: The bundle has no engine or graph for it.
        PackError: The golden outputs cannot be read.
    """
    chosen = _walk(pack, settings, ladder or Ladder())
    how = "with it baked in" if pack.bundle_manifest.baked else "bound as inputs"
    name, precision = chosen.backend.name, chosen.backend.precision
    place = f"rung {chosen.rung} of {LAST_RUNG}"
    log.info("backend %s %s, %s, runs pack %s, %s", name, precision, place, pack.name, how)
    if chosen.alarm:
        log.error("alarm degraded_precision: %s: %s", place, chosen.alarm)
    return chosen


def _walk(pack: LoadedPack, settings: InferenceSettings, ladder: Ladder) -> Chosen:
    """Go down the ladder to the first that serves; a precision that is named is all there is."""
    is_open = settings.backend == "auto" and settings.precision == "auto"
    failures: list[EdgeclipError] = []
    for candidate in _candidates(pack, settings, ladder, failures):
        try:
            backend = _checked(candidate.open(), pack)
        except (SetupError, BundleMismatchError, BackendError) as error:
            failures.append(error)
            log.warning("%s does not serve: %s", candidate.name, error)
            if settings.precision != "auto":
                break
            continue
        why = "; ".join(map(str, failures)) if is_open and candidate.rung > 1 else ""
        return Chosen(backend, candidate.rung, why)
    if len(failures) == 1:
        raise failures[0]
    raise BackendError("no backend serves: " + "; ".join(map(str, failures)))


def _candidates(
    pack: LoadedPack, settings: InferenceSettings, ladder: Ladder, failures: list[EdgeclipError]
) -> Iterator[_Candidate]:
    """Yield what may run, the best rung first; why there is no engine goes to `failures`."""
    if settings.backend != "onnxruntime":
        try:
            yield from _engines(pack, settings, ladder)
        except (SetupError, BundleMismatchError) as error:
            failures.append(error)
            log.warning("no engine serves: %s", error)
    if settings.backend != "tensorrt" and settings.precision in ("auto", "fp32"):
        yield _Candidate("onnxruntime", LAST_RUNG, lambda: open_onnxruntime(pack, settings))


def _engines(pack: LoadedPack, settings: InferenceSettings, ladder: Ladder) -> Iterator[_Candidate]:
    fitting = fitting_engines(pack, ladder.this_machine())
    wanted = [
        (path, sidecar)
        for path, sidecar in fitting
        if settings.precision in ("auto", sidecar.made_from.precision)
    ]
    if not wanted:
        raise BundleMismatchError(
            f"{pack.bundle} has no {settings.precision} engine for this machine: run"
            f" `edgeclip-export engine {pack.bundle} --precision {settings.precision}` here"
        )
    for path, sidecar in wanted:
        precision = sidecar.made_from.precision
        opened = partial(ladder.engine, path, sidecar)
        yield _Candidate(f"engine {path.name} {precision}", 1 + _RUNGS.index(precision), opened)


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


def fitting_engines(pack: LoadedPack, machine: Machine) -> tuple[tuple[Path, EngineSidecar], ...]:
    """Return the engines of a pack's bundle that fit a machine, the fastest rung first.

    Raises:
        BundleMismatchError: None fits, or the bundle needs another version of the runtime.
    """
    require_runtime(pack.bundle_manifest.requires, machine.runtime, machine.runtime_version)
    survey = survey_engines(pack.bundle, pack.bundle_manifest, machine)
    for name, reason in survey.refused.items():
        log.warning("engine %s is passed over: %s", name, reason)
    if not survey.fitting:
        raise BundleMismatchError(
            f"{pack.bundle} has no engine for this machine: run `edgeclip-export engine"
            f" {pack.bundle}` here"
        )
    return survey.fitting


def _checked(backend: Backend, pack: LoadedPack) -> Backend:
    """Bind the pack, and compare some golden outputs: some engines compute nonsense."""
    try:
        backend.bind(pack.slots)
        _require_parity(backend, pack)
    except EdgeclipError:
        backend.close()
        raise
    return backend


def _require_parity(backend: Backend, pack: LoadedPack) -> None:
    parity = golden_parity(backend, pack, _GOLDEN_FRAMES)
    problems = parity.problems(pack.bundle_manifest.tolerance)
    if problems:
        raise BackendError(
            f"{backend.name} {backend.precision} does not compute what the exporter did:"
            f" {'; '.join(problems)}: `edgeclip-export engine {pack.bundle}` builds the next rung,"
            " or export the bundle again"
        )


def golden_parity(backend: Backend, pack: LoadedPack, most: int | None = None) -> EngineParity:
    """Return how far a backend lies from the golden outputs, one frame at a time.

    Args:
        backend: With the pack bound.
        pack: The pack.
        most: How many frames at most, spread over all of them; None for all.

    Raises:
        PackError: The golden outputs cannot be read.
        BackendError: The backend failed.
    """
    images, features, probabilities = golden_frames(pack, most)
    results = [backend.run(images[index : index + 1]) for index in range(len(images))]
    found = Outputs(
        np.concatenate([result.image_features for result in results]),
        np.concatenate([result.probabilities for result in results]),
    )
    golden = Outputs(features, probabilities)
    return engine_parity(golden, found, pack.manifest, pack.bundle_manifest.tolerance)


def golden_frames(
    pack: LoadedPack, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return a pack's golden frames with their image features and probabilities.

    Args:
        pack: The pack.
        most: How many at most, spread over all of them: the first ones are black, white and noise,
            the last ones real. None for all.

    Raises:
        PackError: They cannot be read.
    """
    path = pack.folder / GOLDEN_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            count = len(arrays["images"])
            chosen = np.linspace(0, count - 1, min(most or count, count)).round().astype(int)
            images, features, probabilities = (
                arrays[name][chosen] for name in ("images", "image_features", "probabilities")
            )
            return images, features, probabilities
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise PackError(f"{path} cannot be read ({error}): export the bundle again") from error
