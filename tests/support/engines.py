"""Engine files with their sidecars, as if they had been built."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_key import (
    FLAGS,
    EngineKey,
    EngineSidecar,
    Machine,
    Precision,
    engine_file,
    graph_hashes,
)
from edgeclip.contract.hashing import sha256_bytes
from support.samples import AT


def key_of(manifest: BundleManifest, machine: Machine, precision: Precision = "fp16") -> EngineKey:
    """Return what binds an engine of a rung's graph on a machine."""
    (graph,) = (graph for graph in manifest.graphs if graph.rung == precision)
    graph_sha256, weights_sha256 = graph_hashes(manifest, graph)
    return EngineKey(
        graph_sha256=graph_sha256,
        weights_sha256=weights_sha256,
        machine=machine,
        precision=precision,
        profiles=manifest.profiles,
        flags=list(FLAGS),
        optimisation_level=3,
        workspace_mb=512,
    )


def write_engine(bundle: Path, key: EngineKey, engine: bytes, *, minutes: int = 0) -> Path:
    """Write an engine, built so many minutes after the tests' time, and return its path."""
    path = engine_file(bundle, key.digest())
    sidecar = EngineSidecar(
        key=key.digest(),
        made_from=key,
        versions={key.machine.runtime: key.machine.runtime_version},
        engine_sha256=sha256_bytes(engine),
        engine_size_bytes=len(engine),
        built_at=AT + timedelta(minutes=minutes),
        build_s=1.0,
        peak_rss_mb=1.0,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(engine)
    path.with_suffix(".json").write_text(sidecar.to_json())
    return path
