"""What would be built, for which machine, and where it is kept: decided before anything is done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from edgeclip.contract.bundle import BundleManifest, Graph
from edgeclip.contract.engine_key import (
    FLAGS,
    EngineKey,
    Machine,
    Precision,
    engine_file,
    graph_hashes,
)
from edgeclip.contract.requires import require_runtime
from edgeclip.errors import BundleMismatchError
from edgeclip_export.board import Board
from edgeclip_export.config import BuilderSettings, EngineConfig
from edgeclip_export.preflight import Needs
from edgeclip_export.timing_cache import timing_cache_file

LADDER: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class EnginePlan:
    """One engine to be.

    Attributes:
        bundle: The folder.
        graph: Which of its graphs.
        key: What binds the engine.
        settings: What the builder is told.
        weights_mb: Size of the graph and its weights, MiB.
        timing_cache: The device's measurements; None where the runtime keeps none.
    """

    bundle: Path
    graph: Graph
    key: EngineKey
    settings: BuilderSettings
    weights_mb: int
    timing_cache: Path | None

    @property
    def path(self) -> Path:
        """Where the engine lies or will lie."""
        return engine_file(self.bundle, self.key.digest())

    @property
    def needs(self) -> Needs:
        """What the build takes."""
        return Needs.of(self.key.machine, self.weights_mb, self.settings.workspace_mb)

    def facts(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "key": self.key.digest(),
            "engine": str(self.path),
            "precision": self.key.precision,
            "graph": self.graph.file,
            "machine": self.key.machine.model_dump(),
            "profiles": {name: p.model_dump() for name, p in self.key.profiles.items()},
            "flags": self.key.flags,
            "settings": asdict(self.settings),
            "timing_cache": str(self.timing_cache) if self.timing_cache else None,
        }


def plan_engines(
    bundle: Path, manifest: BundleManifest, config: EngineConfig, machine: Machine, board: Board
) -> tuple[EnginePlan, ...]:
    """Return the engines to try, the fastest rung first; one where a precision is named.

    Raises:
        BundleMismatchError: The bundle has no graph of that precision, or needs another version
            of the runtime.
    """
    require_runtime(manifest.requires, machine.runtime, machine.runtime_version)
    rungs = LADDER if config.precision == "auto" else (config.precision,)
    graphs = {graph.rung: graph for graph in manifest.graphs}
    if not (there := [rung for rung in rungs if rung in graphs]):
        raise BundleMismatchError(f"the bundle has no {config.precision} graph: export it again")
    settings = BuilderSettings.for_board(config, board)
    return tuple(
        EnginePlan(
            bundle=bundle,
            graph=graphs[rung],
            key=engine_key(manifest, graphs[rung], settings, machine),
            settings=settings,
            weights_mb=_weights_mb(manifest, graphs[rung]),
            timing_cache=timing_cache_file(bundle, machine),
        )
        for rung in there
    )


def engine_key(
    manifest: BundleManifest, graph: Graph, settings: BuilderSettings, machine: Machine
) -> EngineKey:
    """Return what binds an engine of this graph on this machine."""
    graph_sha256, weights_sha256 = graph_hashes(manifest, graph)
    return EngineKey(
        graph_sha256=graph_sha256,
        weights_sha256=weights_sha256,
        machine=machine,
        precision=graph.rung,
        profiles=manifest.profiles,
        flags=list(FLAGS),
        optimisation_level=settings.optimisation_level,
        workspace_mb=settings.workspace_mb,
        max_aux_streams=settings.max_aux_streams,
    )


def _weights_mb(manifest: BundleManifest, graph: Graph) -> int:
    files = [file for file in (graph.file, graph.weights) if file is not None]
    return (sum(manifest.files[file].size_bytes for file in files) >> 20) + 1
