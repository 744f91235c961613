"""Open this machine's engine of a bundle, and prove it by the golden frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_faults import keep_failure, keep_parity
from edgeclip.contract.engine_gate import EngineParity, Outputs, engine_parity
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import EngineSidecar
from edgeclip.contract.engine_runner import EngineRunner
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.plurals import counted
from edgeclip.errors import BackendError
from edgeclip.packs import load_pack
from edgeclip_export.checks import Check

YOURS = "frames of yours"
"""What checks on a user's own frames are called."""

_COMPARED = ("image_features", "probabilities")


@dataclass(frozen=True)
class OpenedEngine:
    """An engine that is loaded; `runner.close` ends it.

    Attributes:
        path: Its file.
        sidecar: What is known of it.
        runner: Runs it.
        free_gpu_bytes: What was free of the GPU's memory before it was loaded.
    """

    path: Path
    sidecar: EngineSidecar
    runner: EngineRunner
    free_gpu_bytes: int


def open_engine(bundle: Path, manifest: BundleManifest, host: EngineHost) -> OpenedEngine:
    """Return the best engine that a bundle has for this machine.

    Args:
        bundle: The folder.
        manifest: What `read_bundle` gave.
        host: The runtime that runs it.

    Raises:
        SetupError: Runtime, driver or GPU is missing.
        BundleMismatchError: The bundle has no engine for this machine, or needs another version.
        BackendError: The engine cannot be loaded.
    """
    engine, sidecar = host.engine_of(bundle, manifest)
    data, memory = engine.read_bytes(), host.memory()
    try:
        free = memory.free_bytes()
        runner = EngineRunner(data, str(engine), host.api, memory)
        return OpenedEngine(engine, sidecar, runner, free)
    except BaseException as error:
        memory.close()
        if isinstance(error, BackendError):
            keep_failure(engine, sidecar, error)
        raise


@dataclass(frozen=True)
class Further:
    """Frames beside the golden ones, and what ONNX Runtime computes of them.

    Attributes:
        images: `(n, S, S, 3)` uint8, RGB.
        outputs: By the path of the pack that is bound.
    """

    images: NDArray[np.uint8]
    outputs: Mapping[str, Outputs]


def engine_checks(
    bundle: Path, manifest: BundleManifest, host: EngineHost, further: Further | None = None
) -> list[Check]:
    """Return whether this machine's engine computes the golden outputs; its sidecar keeps it.

    Args:
        bundle: The folder.
        manifest: What `read_bundle` gave.
        host: The runtime that runs it.
        further: Frames that are compared as well; None for none.

    Raises:
        SetupError: Runtime, driver or GPU is missing.
        BundleMismatchError: The bundle has no engine for this machine, or needs another version.
        BackendError: The engine cannot be loaded or run.
        PackError: A pack is damaged.
    """
    opened = open_engine(bundle, manifest, host)
    runner, sidecar = opened.runner, opened.sidecar
    try:
        found = [
            parity
            for pack in manifest.packs
            for parity in _parities(bundle, manifest, pack, runner, further)
        ]
    except BackendError as error:
        keep_failure(opened.path, sidecar, error)
        raise
    finally:
        runner.close()
    rung = f"{host.runtime}, rung {sidecar.made_from.precision}"
    problems = [problem for _, parity in found for problem in parity.problems(manifest.tolerance)]
    worst = max((parity for _, parity in found), key=lambda p: (p.one_minus_cosine, p.probability))
    keep_parity(opened.path, sidecar, worst.figures(), problems)
    return [_check(f"{pack}, {rung}{against}", p, manifest) for (pack, against), p in found]


def _check(name: str, parity: EngineParity, manifest: BundleManifest) -> Check:
    problems = parity.problems(manifest.tolerance)
    figures = f"1 - cosine {parity.one_minus_cosine:.1e}, probability {parity.probability:.1e}"
    note = (
        "; ".join(problems) or f"{figures}, the same decision on {counted(parity.images, 'image')}"
    )
    return Check(name, not problems, note=note)


def _parities(
    bundle: Path,
    manifest: BundleManifest,
    reference: PackRef,
    runner: EngineRunner,
    further: Further | None,
) -> Iterator[tuple[tuple[str, str], EngineParity]]:
    """Yield each comparison of a pack: the pack, against what, and how far apart it was."""
    pack = load_pack(bundle / reference.path)
    runner.bind(slots_to_bind(manifest, pack.tensors))
    name = f"{reference.task} {reference.version}"
    golden = Outputs(pack.golden.image_features, pack.golden.probabilities)
    found = _run(runner, pack.golden.images)
    yield (name, ""), engine_parity(golden, found, pack.manifest, manifest.tolerance)
    if further:
        wanted, found = further.outputs[reference.path], _run(runner, further.images)
        parity = engine_parity(wanted, found, pack.manifest, manifest.tolerance)
        yield (name, f", ONNX Runtime on {YOURS}"), parity


def _run(runner: EngineRunner, images: NDArray[np.uint8]) -> Outputs:
    """Run the frames in the largest batches that the engine takes."""
    most = runner.most_images
    starts = range(0, len(images), most)
    results = [runner.run(images[start : start + most], _COMPARED) for start in starts]
    return Outputs(*(np.concatenate([found[name] for found in results]) for name in _COMPARED))
