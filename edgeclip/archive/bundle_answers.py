"""A bundle that answers by ONNX Runtime on the CPU, or by its engine on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.answering import Answer, Asked, OnePack, Views
from edgeclip.archive.beside import Beside
from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_gate import Outputs, engine_parity
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import Runtime
from edgeclip.contract.engine_runner import EngineRunner
from edgeclip.contract.pack import GOLDEN_FILE, PackManifest
from edgeclip.errors import BackendError, BundleMismatchError, PackError, SetupError
from edgeclip.onnx_session import OnnxSession, Slots

_WANTED = ("image_features", "probabilities", "base_embedding")
_CELLS = "patch_scores"
_FITS_CACHE = 8  # images a call: the tokens of 32 do not stay in a core's cache
_HOSTS: tuple[Runtime, ...] = ("tensorrt", "tensorrt_rtx")


@dataclass(frozen=True)
class RunOutputs(Outputs):
    """What is compared, what attributes are answered on, and where things are.

    Attributes:
        base_embedding: `(n, E)` float32, before the adapters.
        patch_scores: `(n, N - 1, K)` float32; None where the graph does not say.
    """

    base_embedding: NDArray[np.float32]
    patch_scores: NDArray[np.float32] | None = None


class Runner(Protocol):
    """Computes `RunOutputs` of views, with a pack's tensors bound."""

    @property
    def name(self) -> str:
        """Runtime and precision."""

    def run(self, views: NDArray[np.uint8]) -> RunOutputs:
        """Return features, probabilities and the scores of cells.

        Raises:
            BackendError: The runtime failed.
        """


class BundleAnswers(OnePack):
    """One pack of a bundle on a runtime.

    Args:
        manifest: Of the pack.
        runner: With its tensors bound.
        beside: What is answered on the features of the encoder.
    """

    def __init__(self, manifest: PackManifest, runner: Runner, beside: Beside) -> None:
        super().__init__(manifest, runner.name, beside)
        self._runner = runner

    def answer(self, views: Views) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        outputs = self._runner.run(views.pixels)
        return self.answers(outputs.probabilities, outputs.base_embedding, outputs.patch_scores)

    def check(self, folder: Path, bundle: BundleManifest) -> None:
        """Compare the golden outputs: some runtimes compute nonsense.

        Raises:
            PackError: The golden outputs cannot be read.
            BackendError: They come out otherwise.
        """
        images, golden = _golden(folder / GOLDEN_FILE)
        require_parity(self._runner, golden, self._runner.run(images), self.manifest, bundle)


def require_parity(
    runner: Runner, golden: Outputs, found: Outputs, pack: PackManifest, bundle: BundleManifest
) -> None:
    """Compare a runtime's outputs with golden ones.

    Raises:
        BackendError: They come out otherwise.
    """
    parity = engine_parity(golden, found, pack, bundle.tolerance)
    if problems := parity.problems(bundle.tolerance):
        raise BackendError(
            f"{runner.name} does not compute what the exporter did:"
            f" {'; '.join(problems)}: export the bundle again, or use another --backend"
        )


def open_runner(asked: Asked, manifest: BundleManifest, slots: Slots) -> Runner:
    """Return the runtime that was asked for; auto prefers an engine of this machine."""
    if asked.backend == "onnxruntime":
        return OnnxRunner(asked.path, manifest, slots)
    failures: list[Exception] = []
    for runtime in _HOSTS:
        try:
            return engine_runner(asked.path, manifest, slots, EngineHost.of(runtime))
        except (SetupError, BundleMismatchError) as error:
            failures.append(error)
    if asked.backend == "tensorrt":
        raise failures[0]
    return OnnxRunner(asked.path, manifest, slots)


class OnnxRunner:
    """ONNX Runtime, one thread a call: the parts of an archive share the cores."""

    name = "onnxruntime fp32"

    def __init__(self, bundle: Path, manifest: BundleManifest, slots: Slots) -> None:
        self._session = OnnxSession(bundle, manifest, threads=1, at_once=_FITS_CACHE)
        self._slots = dict(slots)
        self._wanted = _wanted(self._session.outputs)

    def run(self, views: NDArray[np.uint8]) -> RunOutputs:
        """Return what the graph computes; see `Runner`."""
        return RunOutputs(*self._session.run(self._wanted, views, self._slots))


class GpuRunner:
    """An engine on the GPU, one batch at a time."""

    def __init__(self, runner: EngineRunner, name: str) -> None:
        self._engine, self.name = runner, name
        self._wanted = _wanted(runner.outputs)
        self._lock = threading.Lock()

    def run(self, views: NDArray[np.uint8]) -> RunOutputs:
        """Return what the engine computes; see `Runner`."""
        most = self._engine.most_images
        with self._lock:
            firsts = range(0, len(views), most)
            parts = [self._engine.run(views[n : n + most], self._wanted) for n in firsts]
        return RunOutputs(*(np.concatenate([own[name] for own in parts]) for name in self._wanted))


def engine_runner(
    bundle: Path, manifest: BundleManifest, slots: Slots, host: EngineHost
) -> GpuRunner:
    """Return a bundle's engine with a pack bound.

    Raises:
        SetupError: Runtime, driver or GPU is missing.
        BundleMismatchError: There is no engine for this machine.
        BackendError: The engine cannot be loaded.
    """
    path, sidecar = host.engine_of(bundle, manifest)
    memory = host.memory()
    try:
        runner = EngineRunner(path.read_bytes(), str(path), host.api, memory)
    except BaseException:
        memory.close()
        raise
    runner.bind(slots)
    return GpuRunner(runner, f"{host.runtime} {sidecar.made_from.precision}")


def _wanted(outputs: Iterable[str]) -> list[str]:
    """Return what is asked for, in the order of `RunOutputs`: cells where the graph has any."""
    return [*_WANTED, _CELLS] if _CELLS in outputs else list(_WANTED)


def _golden(path: Path) -> tuple[NDArray[np.uint8], RunOutputs]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["images"], RunOutputs(*(arrays[name] for name in _WANTED))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise PackError(f"{path} cannot be read ({error}): export the bundle again") from error
