"""`manifest.json`: what a bundle holds, and how it is read and checked.

bundle/
  manifest.json  manifest.sig   the second where it is signed
  backbone/<sha12>/weights.fp16.bin  model.trt.onnx  model.trt32attn.onnx  model.cpu.onnx
  packs/<task>/<version>/pack.json  adapter.safetensors  golden.npz
  gate/gate.json  gate.safetensors      where it was made of a set with a learned gate
  engines/                     made on the machine that runs them, never shipped
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from edgeclip.contract.formats import other_version
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE, MayHaveGate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.misplaced import misplaced
from edgeclip.contract.pack import (
    PACK_FILE,
    Base,
    PackManifest,
    Part,
    Sha256,
    read_pack_manifest,
)
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.preprocess_spec import PREPROCESS_VERSION, PreprocessSpec
from edgeclip.contract.requires import Requirement
from edgeclip.contract.slots import GraphKind, graph_of
from edgeclip.contract.validation import explain
from edgeclip.errors import BundleDamagedError, BundleMismatchError, BundleMissingError

BUNDLE_SCHEMA: Final = "edgeclip.bundle/2"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
ENGINES_FOLDER = "engines"

Rung = Literal["fp16", "fp16-attn32", "fp32"]
"""What a graph computes in, the fastest first: FP16 tower; the same with the scores of the
attention in FP32; all FP32. After an engine of the last comes ONNX Runtime."""


class FileRecord(Part):
    """One file of the bundle."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class Profile(Part):
    """The smallest, usual and largest size of one free dimension of the graph."""

    min: int = Field(ge=1)
    opt: int = Field(ge=1)
    max: int = Field(ge=1)


class Graph(Part):
    """One ONNX graph of the bundle."""

    file: str
    weights: str | None = Field(
        None, description="File in the same folder that holds its large tensors; null: it has none."
    )
    rung: Rung
    runtime: Literal["tensorrt", "onnxruntime"]
    opset: int
    nodes: int
    inputs: list[str]
    outputs: list[str]


class Tolerance(Part):
    """How far an engine's outputs may lie from the golden ones, each image."""

    one_minus_cosine: float = Field(gt=0)
    mean_one_minus_cosine: float = Field(gt=0)
    probability: float = Field(gt=0)


class BundleManifest(MayHaveGate):
    """`manifest.json`."""

    schema_: Literal["edgeclip.bundle/2"] = Field(BUNDLE_SCHEMA, alias="schema")
    created_at: AwareDatetime
    tool: dict[str, str]
    base: Base
    preprocess: PreprocessSpec
    graphs: list[Graph] = Field(min_length=1)
    profiles: dict[str, Profile] = Field(description="By letter of the free dimension; B is batch.")
    baked: bool = Field(
        False, description="The one pack is in the graphs, which take nothing but images."
    )
    packs: list[PackRef] = Field(min_length=1)
    gate: str | None = Field(
        None, description="Folder of the learned gate; absent: prototypes choose between packs."
    )
    tolerance: Tolerance
    parity: dict[str, float] = Field(description="Differences measured at export.")
    requires: dict[str, Requirement] = Field(
        {}, description="Runtime -> the versions that its graphs need, as in >=10.3,<12."
    )
    files: dict[str, FileRecord]

    @model_validator(mode="after")
    def _paths_stay_inside(self) -> BundleManifest:
        paths = [*self.files, *self._graph_files(), *(p.path for p in self.packs)]
        paths += self._gate_files()
        for path in paths:
            pure = PurePosixPath(path)
            is_odd = "\\" in path or "\0" in path or not pure.parts
            if is_odd or pure.is_absolute() or ".." in pure.parts:
                raise ValueError(f"the path {path!r} leaves the bundle")
        return self

    @model_validator(mode="after")
    def _weights_lie_beside_their_graph(self) -> BundleManifest:
        for graph in self.graphs:
            beside = PurePosixPath(graph.weights or graph.file).parent
            if beside != PurePosixPath(graph.file).parent:
                raise ValueError(f"{graph.weights} is not in the folder of {graph.file}")
        return self

    @model_validator(mode="after")
    def _what_is_used_is_hashed(self) -> BundleManifest:
        used = self._graph_files()
        used += [f"{pack.path}/{PACK_FILE}" for pack in self.packs]
        used += self._gate_files()
        if absent := [name for name in used if name not in self.files]:
            raise ValueError(f"files lacks {', '.join(absent)}")
        return self

    @model_validator(mode="after")
    def _a_baked_bundle_is_of_one_pack(self) -> BundleManifest:
        if self.baked and len(self.packs) != 1:
            raise ValueError(f"a baked bundle has one pack, this one names {len(self.packs)}")
        if self.baked and self.gate:
            raise ValueError("a baked bundle has no gate")
        if any((graph.inputs == ["images"]) != self.baked for graph in self.graphs):
            raise ValueError("baked does not agree with the inputs of the graphs")
        return self

    def _graph_files(self) -> list[str]:
        """Return the files of all graphs, those of their weights too."""
        files = [file for graph in self.graphs for file in (graph.file, graph.weights)]
        return [file for file in files if file is not None]

    def _gate_files(self) -> list[str]:
        files = (GATE_FILE, GATE_TENSORS_FILE)
        return [f"{self.gate}/{file}" for file in files] if self.gate is not None else []

    def to_json(self) -> str:
        """Return the manifest as indented JSON, ended by a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @property
    def graph(self) -> GraphKind:
        """Which slots the bundle's graphs have; all have the same."""
        return graph_of(self.graphs[0].inputs)

    def graph_for(self, runtime: Literal["tensorrt", "onnxruntime"]) -> Graph:
        """Return the graph made for a runtime.

        Raises:
            BundleMismatchError: The bundle has none.
        """
        for graph in self.graphs:
            if graph.runtime == runtime:
                return graph
        raise BundleMismatchError(f"the bundle has no graph for {runtime}: export it again")


def read_bundle(
    folder: Path,
    *,
    check_hashes: bool = True,
    believed: Callable[[bytes], object] = lambda _: None,
) -> BundleManifest:
    """Return a bundle's manifest after checking that its files are there and unaltered.

    Args:
        folder: The bundle, with `manifest.json` in it.
        check_hashes: Compare the SHA-256 of each file; otherwise only its size.
        believed: Raises where the manifest's bytes are not to be believed; called before anything
            in them is looked at.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: The manifest cannot be read, or a file is missing or altered.
        BundleMismatchError: Another format or preprocessing version than this software's.
    """
    path = folder / MANIFEST_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleMissingError(misplaced(folder, MANIFEST_FILE, error)) from error
    believed(data)
    _require_format(data, path)
    try:
        manifest = BundleManifest.model_validate_json(data)
    except ValidationError as error:
        raise BundleDamagedError(explain(error, BundleManifest, str(path))) from error
    if manifest.preprocess.version != PREPROCESS_VERSION:
        raise BundleMismatchError(
            f"{path}: made with preprocessing version {manifest.preprocess.version}, this software"
            f" has {PREPROCESS_VERSION}: export the bundle again"
        )
    for name, record in manifest.files.items():
        _check_file(folder / name, record, check_hashes)
    return manifest


def _require_format(data: bytes, path: Path) -> None:
    """Refuse another format by its name, before its fields are looked at and not understood."""
    other = other_version(data, BUNDLE_SCHEMA)
    if other is None:
        return
    found, is_older = other
    raise BundleMismatchError(
        f"{path}: the bundle's format is {found}, this software reads {BUNDLE_SCHEMA}: "
        + ("export the bundle again" if is_older else "update edgeclip on this machine")
    )


def read_bundled_pack(folder: Path, manifest: BundleManifest, task: str | None) -> PackManifest:
    """Return the manifest of the pack that serves a task.

    Args:
        folder: The bundle.
        manifest: What `read_bundle` gave.
        task: The pack's task, or None for the bundle's first pack.

    Raises:
        BundleMismatchError: No pack has that task, or the pack is for another encoder.
        PackError: The pack is damaged.
    """
    return read_pack_at(folder, manifest, find_pack(manifest, task))


def read_pack_at(folder: Path, manifest: BundleManifest, reference: PackRef) -> PackManifest:
    """Return the manifest of one pack of a bundle, be it the one that serves its task or older.

    Args:
        folder: The bundle.
        manifest: What `read_bundle` gave.
        reference: One of its packs.

    Raises:
        BundleMismatchError: The pack is for another encoder, or another one than stands there.
        PackError: The pack is damaged.
    """
    pack = read_pack_manifest(folder / reference.path)
    if (pack.task, pack.version) != (reference.task, reference.version):
        raise BundleMismatchError(
            f"{folder / reference.path / PACK_FILE} is {pack.task} {pack.version}, {MANIFEST_FILE}"
            f" says {reference.task} {reference.version}: export the bundle again"
        )
    if pack.base.weights_sha256 != manifest.base.weights_sha256:
        raise BundleMismatchError(f"pack {pack.task} is for another encoder: export it again")
    if pack.preprocess != manifest.preprocess:
        raise BundleMismatchError(f"pack {pack.task} has another preprocessing: export it again")
    return pack


def tasks_of(manifest: BundleManifest) -> list[str]:
    """Return the tasks of a bundle, in their order; versions of one task are one pack."""
    return list(dict.fromkeys(ref.task for ref in manifest.packs))


def find_pack(manifest: BundleManifest, task: str | None) -> PackRef:
    """Return where the pack that serves a task lies: the first of that task, or of all.

    Raises:
        BundleMismatchError: No pack has that task.
    """
    for ref in manifest.packs:
        if task in (None, ref.task):
            return ref
    known = ", ".join(ref.task for ref in manifest.packs)
    baked = ", baked into its graphs: export another bundle" if manifest.baked else ""
    raise BundleMismatchError(f"the bundle has no pack for task {task!r}: it has {known}{baked}")


def _check_file(path: Path, record: FileRecord, check_hash: bool) -> None:
    try:
        whole = path.stat().st_size == record.size_bytes
        intact = whole and (not check_hash or sha256_file(path) == record.sha256)
    except OSError as error:
        raise BundleDamagedError(f"{path} is missing: copy the bundle again") from error
    if not intact:
        raise BundleDamagedError(f"{path} was altered or cut short: copy the bundle again")
