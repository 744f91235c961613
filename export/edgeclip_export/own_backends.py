"""The backends that run the bundle itself, as calls: engines of this machine, ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import EngineSidecar
from edgeclip.contract.requires import require_runtime
from edgeclip.contract.slots import GRAPH_OUTPUTS
from edgeclip.errors import BundleMismatchError, SetupError
from edgeclip_export.engine_verify import open_engine
from edgeclip_export.ort_graph import OrtGraph, load_onnxruntime

BUNDLE = "this bundle"
"""What the name of each variant that is the bundle begins with."""

Images = NDArray[np.uint8]
Slots = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class OwnBackend:
    """One backend with the pack bound.

    Attributes:
        name: For the table, as `this bundle, tensorrt fp16`.
        call: Computes a batch and returns when it is done.
        close: Gives its memory back.
        weights_bytes: What one call reads of the encoder's weights at least, where a GPU does;
            None for a CPU.
        engine: Its file and sidecar; None for ONNX Runtime.
        gpu_bytes: What it took of the GPU's memory until now; None for a CPU.
        memory_mb: Resident memory that loading it and its first run took, MiB.
    """

    name: str
    call: Callable[[Images], object]
    close: Callable[[], object]
    weights_bytes: int | None = None
    engine: tuple[Path, EngineSidecar] | None = None
    gpu_bytes: Callable[[], int] | None = None
    memory_mb: float = 0.0


@dataclass(frozen=True)
class OwnSettings:
    """What is opened.

    Attributes:
        bundle: The folder.
        backend: `ort`, or one of `hosts`; None for every one that is here, engines first.
        threads: CPU threads of one operator; 0 lets ONNX Runtime choose.
        first: `(1, S, S, 3)` uint8, for each one's first run.
        most_images: Of one call.
        hosts: The runtimes of engines, by backend.
    """

    bundle: Path
    backend: str | None
    threads: int
    first: Images
    most_images: int
    hosts: Mapping[str, EngineHost]


def open_backends(
    manifest: BundleManifest, slots: Slots, settings: OwnSettings
) -> tuple[tuple[OwnBackend, ...], dict[str, str]]:
    """Return what runs the bundle here, and why the others do not, by name.

    Args:
        manifest: What `read_bundle` gave.
        slots: The pack's tensors; none where it is baked in.
        settings: What is opened.

    Raises:
        SetupError: The backend that was named is not here, or none at all is.
        BundleMismatchError: The bundle has no engine for it, or needs another version.
        BackendError: It is here and cannot load the graph or engine.
    """
    own: list[OwnBackend] = []
    absent: dict[str, str] = {}
    with ExitStack() as opened:
        for backend in (settings.backend,) if settings.backend else (*settings.hosts, "ort"):
            try:
                before = resident_mb()
                found = _open(backend, manifest, slots, settings)
                opened.callback(found.close)
                found.call(settings.first)
                own.append(replace(found, memory_mb=resident_mb() - before))
            except (SetupError, BundleMismatchError) as error:
                if settings.backend:
                    raise
                absent[f"{BUNDLE}, {backend}"] = str(error)
        opened.pop_all()  # all are there: they are the caller's
    if not own:
        raise SetupError("no backend is here to compute anything: pip install 'edgeclip[cpu]'")
    return tuple(own), absent


def resident_mb() -> float:
    """Return this process's resident memory, MiB; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _open(
    backend: str, manifest: BundleManifest, slots: Slots, settings: OwnSettings
) -> OwnBackend:
    if backend in settings.hosts:
        return _engine(manifest, slots, settings.bundle, settings.hosts[backend])
    require_runtime(manifest.requires, "onnxruntime", load_onnxruntime().__version__)
    graph = OrtGraph(
        settings.bundle / manifest.graph_for("onnxruntime").file,
        threads=settings.threads,
        most_images=settings.most_images,
    )
    name = f"{BUNDLE}, ONNX Runtime"
    return OwnBackend(name, partial(graph.run, slots=slots), close=lambda: None)


def _engine(manifest: BundleManifest, slots: Slots, bundle: Path, host: EngineHost) -> OwnBackend:
    opened = open_engine(bundle, manifest, host)
    precision = opened.sidecar.made_from.precision
    try:
        opened.runner.bind(slots)
    except BaseException:
        opened.runner.close()
        raise
    return OwnBackend(
        f"{BUNDLE}, {host.runtime} {precision}",
        partial(opened.runner.run, wanted=GRAPH_OUTPUTS),
        opened.runner.close,
        weights_bytes=manifest.base.params * (4 if precision == "fp32" else 2),
        engine=(opened.path, opened.sidecar),
        gpu_bytes=lambda: opened.free_gpu_bytes - opened.runner.free_gpu_bytes(),
    )
