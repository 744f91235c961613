"""What binds an engine to its graph, runtime and machine, and how a fitting one is found.

bundle/engines/<key16>.engine    what TensorRT wrote and nothing else, so that any tool reads it
bundle/engines/<key16>.json      what we know of it; written last: an engine without it is no engine
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, Field, ValidationError

from edgeclip.contract.bundle import ENGINES_FOLDER, BundleManifest, Graph, Profile, Rung
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.hashing import sha256_bytes, sha256_file
from edgeclip.contract.pack import Part, Sha256
from edgeclip.contract.validation import explain
from edgeclip.errors import BundleDamagedError

ENGINE_SCHEMA: Final = "edgeclip.engine/1"
NO_GPU: Final = "no-gpu"
KEY_CHARS: Final = 16
FLAGS: Final = ("STRONGLY_TYPED",)
"""How every engine is built: the types in the graph decide, and nothing else."""

Precision = Rung
Runtime = Literal["tensorrt", "tensorrt_rtx"]


class Machine(Part):
    """What an engine runs on: it is valid nowhere else."""

    runtime: Runtime
    runtime_version: str = Field(description="In full, for example 10.3.0.30.")
    device_name: str = Field(description="As the driver says it, or no-gpu.")
    compute_capability: str = Field(description="For example 8.7; empty without a GPU.")
    sm_count: int = Field(ge=0, description="An Orin Nano's engine is slow on an AGX Orin.")

    @staticmethod
    def of(runtime: Runtime, runtime_version: str, gpu: Gpu | None) -> Machine:
        """Return the machine that a runtime and a GPU make; None means no GPU."""
        return Machine(
            runtime=runtime,
            runtime_version=runtime_version,
            device_name=gpu.name if gpu else NO_GPU,
            compute_capability=gpu.compute_capability if gpu else "",
            sm_count=gpu.sm_count if gpu else 0,
        )


class EngineKey(Part):
    """Everything that binds an engine. The pack is not in it: a pack is bound at run time."""

    sidecar_schema: Literal["edgeclip.engine/1"] = ENGINE_SCHEMA
    graph_sha256: Sha256
    weights_sha256: Sha256 | None = Field(
        None, description="Of the weight file beside the graph; null where the graph holds all."
    )
    machine: Machine
    precision: Precision
    profiles: dict[str, Profile]
    flags: list[str]
    optimisation_level: int = Field(ge=0, le=5)
    workspace_mb: int = Field(ge=1)
    max_aux_streams: int | None = Field(0, ge=0, description="null: as many as TensorRT likes.")

    def digest(self) -> str:
        """Return the SHA-256 over all fields, in one order."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return sha256_bytes(content.encode())


class EngineSidecar(Part):
    """`<key16>.json`."""

    schema_: Literal["edgeclip.engine/1"] = Field(ENGINE_SCHEMA, alias="schema")
    key: Sha256
    made_from: EngineKey
    versions: dict[str, str] = Field(description="Of all that took part.")
    engine_sha256: Sha256
    engine_size_bytes: int = Field(ge=1)
    built_at: AwareDatetime
    build_s: float = Field(ge=0)
    peak_rss_mb: float = Field(ge=0, description="Of the process that built it.")
    power_mode: str = Field("", description="The Jetson's, by name; empty where none was read.")
    parity: dict[str, float] | None = Field(
        None, description="Against the golden outputs, measured here; null: not run yet."
    )
    problems: list[str] = Field([], description="What of it was beyond the bundle's tolerance.")
    benchmark: dict[str, float] | None = Field(
        None, description="Calls on this machine, ms, as b1_p50_ms by batch; null: not measured."
    )

    @staticmethod
    def from_json(text: str, source: str) -> EngineSidecar:
        """Return the sidecar in a JSON text.

        Args:
            text: The file's content.
            source: Its path, for the error.

        Raises:
            BundleDamagedError: Not JSON, another version, or a wrong field.
        """
        try:
            return EngineSidecar.model_validate_json(text)
        except ValidationError as error:
            raise BundleDamagedError(explain(error, EngineSidecar, source)) from error

    def to_json(self) -> str:
        """Return the sidecar as indented JSON, ended by a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


@dataclass(frozen=True)
class EngineSurvey:
    """The engines of a bundle, judged for one machine.

    Attributes:
        fitting: Engine file and sidecar; FP16 before FP32, then the newest first.
        refused: File name -> why it cannot be used here.
        failed: Which of them computed something else on this machine than the exporter did.
        of_other_runtime: Which of them another runtime on this machine may use.
    """

    fitting: tuple[tuple[Path, EngineSidecar], ...]
    refused: dict[str, str]
    failed: frozenset[str] = frozenset()
    of_other_runtime: frozenset[str] = frozenset()

    @property
    def never_usable(self) -> dict[str, str]:
        """File name -> reason of the refused ones that nothing on this machine can use."""
        kept = self.failed | self.of_other_runtime
        return {name: reason for name, reason in self.refused.items() if name not in kept}


def engine_file(bundle: Path, digest: str) -> Path:
    """Return where the engine of a key lies; its sidecar has the suffix `.json`."""
    return bundle / ENGINES_FOLDER / f"{digest[:KEY_CHARS]}.engine"


def graph_hashes(manifest: BundleManifest, graph: Graph) -> tuple[str, str | None]:
    """Return the SHA-256 of a graph and of the weight file beside it; None where it has none."""
    weights = manifest.files[graph.weights].sha256 if graph.weights else None
    return manifest.files[graph.file].sha256, weights


def survey_engines(bundle: Path, manifest: BundleManifest, machine: Machine) -> EngineSurvey:
    """Judge every engine of a bundle for this machine.

    Args:
        bundle: The folder.
        manifest: What `read_bundle` gave.
        machine: The runtime and GPU that would run the engine.
    """
    fitting: list[tuple[Path, EngineSidecar]] = []
    refused = {}
    failed, others = set(), set()
    for engine in sorted((bundle / ENGINES_FOLDER).glob("*.engine")):
        try:
            sidecar = checked_sidecar(engine)
        except BundleDamagedError as error:
            refused[engine.name] = str(error)
            continue
        if reason := _why_not(sidecar.made_from, manifest, machine):
            refused[engine.name] = reason
            if sidecar.made_from.machine.runtime != machine.runtime:
                others.add(engine.name)
        elif sidecar.problems:
            failed.add(engine.name)
            found = "; ".join(sidecar.problems)
            refused[engine.name] = f"computes something else than the exporter did: {found}"
        else:
            fitting.append((engine, sidecar))
    fitting.sort(key=lambda found: found[1].built_at, reverse=True)
    fitting.sort(key=lambda found: found[1].made_from.precision)  # in the ladder's order
    return EngineSurvey(tuple(fitting), refused, frozenset(failed), frozenset(others))


def checked_sidecar(engine: Path) -> EngineSidecar:
    """Return an engine's sidecar after checking name, key and the engine's hash.

    Raises:
        BundleDamagedError: The sidecar is missing or wrong, or the engine was altered.
    """
    path = engine.with_suffix(".json")
    try:
        text = path.read_text(encoding="utf-8")
        found = sha256_file(engine)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleDamagedError(f"{engine} has no readable {path.name}: build it again") from error
    sidecar = EngineSidecar.from_json(text, str(path))
    if sidecar.key != sidecar.made_from.digest() or sidecar.key[:KEY_CHARS] != engine.stem:
        raise BundleDamagedError(f"{path}: the key does not match what stands in it: build again")
    if found != sidecar.engine_sha256:
        raise BundleDamagedError(f"{engine} was altered or cut short: build it again")
    return sidecar


def why_not_of_bundle(made: EngineKey, manifest: BundleManifest) -> str:
    """Return why an engine is none of a bundle's, on whatever machine; nothing where it is."""
    own = {graph.rung: graph_hashes(manifest, graph) for graph in manifest.graphs}
    if own.get(made.precision) != (made.graph_sha256, made.weights_sha256):
        return f"built from another graph than this bundle's {made.precision} one: build it again"
    if tuple(made.flags) != FLAGS:
        flags = " and ".join(made.flags) or "no flags"
        return f"built with {flags}, not {FLAGS[0]} alone: build it again"
    if made.profiles != manifest.profiles:
        return "built for other sizes than this bundle's: build it again"
    return ""


def _why_not(made: EngineKey, manifest: BundleManifest, machine: Machine) -> str:
    """Return why an engine does not fit, or nothing where it does."""
    if reason := why_not_of_bundle(made, manifest):
        return reason
    for field in Machine.model_fields:
        here, there = getattr(machine, field), getattr(made.machine, field)
        if here != there:
            return f"built for {field} {there!r}, here it is {here!r}: build it on this machine"
    return ""
