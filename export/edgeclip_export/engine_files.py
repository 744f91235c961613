"""A bundle's engines: reuse the one that fits, else build it and write it with its sidecar."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edgeclip.contract.bundle import BundleManifest, Graph, read_bundle
from edgeclip.contract.engine_key import (
    NO_GPU,
    EngineKey,
    EngineSidecar,
    Machine,
    checked_sidecar,
    engine_file,
)
from edgeclip.contract.files import write_bytes, write_text
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import BundleDamagedError, BundleMismatchError
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine import FLAGS, BuildProgress, build_engine, this_machine


@dataclass(frozen=True)
class EngineResult:
    """An engine that lies ready.

    Attributes:
        path: The engine's file.
        sidecar: What is known of it.
        was_there: It was built before, and fits.
    """

    path: Path
    sidecar: EngineSidecar
    was_there: bool

    @property
    def is_for_no_gpu(self) -> bool:
        """It was built where no GPU is, so it has never run."""
        return self.sidecar.made_from.machine.device_name == NO_GPU


def prepare_engine(bundle: Path, config: EngineConfig, progress: BuildProgress) -> EngineResult:
    """Return the bundle's engine for this machine, building it where none fits.

    Args:
        bundle: The folder.
        config: Precision, workspace, optimisation level.
        progress: Hears of a build's phases.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of the bundle was altered.
        BundleMismatchError: The bundle has no graph of that precision.
        SetupError: No TensorRT is installed.
        BackendError: The build failed.
    """
    manifest = read_bundle(bundle)
    graph = _graph_of(manifest, config)
    key = engine_key(manifest, graph, config, this_machine())
    path = engine_file(bundle, key.digest())
    if not config.rebuild and (sidecar := _intact(path)) is not None:
        return EngineResult(path, sidecar, was_there=True)
    began = time.monotonic()
    engine = build_engine(bundle / graph.file, manifest.profiles, config, progress)
    sidecar = _sidecar(key, engine, time.monotonic() - began)
    write_bytes(path, engine)
    write_text(path.with_suffix(".json"), sidecar.to_json())
    return EngineResult(path, sidecar, was_there=False)


def engine_key(
    manifest: BundleManifest, graph: Graph, config: EngineConfig, machine: Machine
) -> EngineKey:
    """Return what binds an engine of this graph on this machine."""
    return EngineKey(
        graph_sha256=manifest.files[graph.file].sha256,
        machine=machine,
        precision=config.precision,
        profiles=manifest.profiles,
        flags=list(FLAGS),
        optimisation_level=config.optimisation_level,
        workspace_mb=config.workspace_mb,
    )


def _graph_of(manifest: BundleManifest, config: EngineConfig) -> Graph:
    """FP32 engines are built from the graph that ONNX Runtime runs: its types are all FP32."""
    for graph in manifest.graphs:
        if graph.rung == config.precision:
            return graph
    raise BundleMismatchError(f"the bundle has no {config.precision} graph: export it again")


def _intact(engine: Path) -> EngineSidecar | None:
    """Return the sidecar of an engine that can be used, None where it is absent or damaged."""
    if not engine.is_file():
        return None
    try:
        return checked_sidecar(engine)
    except BundleDamagedError:
        return None


def _sidecar(key: EngineKey, engine: bytes, build_s: float) -> EngineSidecar:
    return EngineSidecar(
        key=key.digest(),
        made_from=key,
        engine_sha256=sha256_bytes(engine),
        engine_size_bytes=len(engine),
        built_at=datetime.now(timezone.utc),
        build_s=round(build_s, 3),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # KiB on Linux
    )
