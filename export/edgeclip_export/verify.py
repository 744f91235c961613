"""Prove a bundle again: hashes, then its packs' golden frames on every backend that is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import (
    ENGINES_FOLDER,
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    read_bundle,
    read_pack_at,
)
from edgeclip.contract.engine_gate import Outputs
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.plurals import first_of
from edgeclip.contract.requires import require_runtime
from edgeclip.errors import BackendError, BundleMismatchError, ParityError, SetupError
from edgeclip.packs import load_pack
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.differences import golden_checks, golden_features
from edgeclip_export.engine_verify import YOURS, Further, engine_checks
from edgeclip_export.ort_graph import OrtGraph, load_onnxruntime
from edgeclip_export.real_frames import real_frames
from edgeclip_export.sign import read_signed_bundle

BACKENDS = ("ort", "trt", "rtx")
_NAMED = 5  # stray files that a line has room for
HOSTS = {"trt": EngineHost.of("tensorrt"), "rtx": EngineHost.of("tensorrt_rtx")}


def verify_bundle(
    bundle: Path,
    on_check: Callable[[Check], None],
    keys: Sequence[Path] = (),
    *,
    backend: str | None = None,
    hosts: Mapping[str, EngineHost] = HOSTS,
    frames: Path | None = None,
) -> tuple[Check, ...]:
    """Return the checks of a bundle, all passed.

    Args:
        bundle: The folder.
        on_check: Called with each check as it is made.
        keys: Public keys' files; with any, one of them must have signed the bundle, and an engine,
            over which no signature stands, is loaded only where `backend` names it.
        backend: One of `BACKENDS`, which must be here; None takes those that are, and says why the
            others are not.
        hosts: The runtimes of engines, by backend.
        frames: Folder of real frames: engines are held against ONNX Runtime on them too.

    Raises:
        ConfigError: One of `keys` is no public key, or `frames` holds no image.
        SignatureError: None of them signed the bundle as it is.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file was altered or is missing.
        BundleMismatchError: Another version, or a pack of another encoder.
        PackError: A pack is damaged.
        SetupError: The backend is not installed or has no GPU, or none at all is.
        BackendError: A backend cannot run the graph or engine; the others were asked even so.
        ParityError: The outputs are not the golden ones.
    """
    checklist = Checklist(on_check)
    manifest = _whole(bundle, keys, checklist)
    further = _further(bundle, manifest, frames) if frames else None
    absent, failures = 0, list[BackendError]()
    for name in (backend,) if backend else BACKENDS:
        try:
            if keys and name in hosts and not backend:
                absent += 1
                checklist.add(_unsigned(name))
                continue
            checks = _checks(name, bundle, manifest, hosts, further)
        except (SetupError, BundleMismatchError) as error:
            if backend:
                raise
            absent += 1
            checks = [Check(f"backend {name}", None, note=f"absent: {error}")]
        except BackendError as error:
            if backend:
                raise
            failures.append(error)
            checks = [Check(f"backend {name}", False, note=str(error))]
        checklist.add(*checks)
        if name not in hosts and not failures:
            checklist.require(ParityError, "do not ship this bundle; export it again")
    checklist.add(*_unused(further, checklist.checks))
    if failures:
        raise failures[0]
    checklist.require(ParityError, f"`edgeclip-export engine {bundle}` builds the next rung")
    if absent == len(BACKENDS):
        raise SetupError("no backend is here to compute anything: pip install 'edgeclip[cpu]'")
    return tuple(checklist.checks)


def _whole(bundle: Path, keys: Sequence[Path], checklist: Checklist) -> BundleManifest:
    """Return the manifest after signature, hashes and packs were looked at."""
    if keys:
        manifest, statement = read_signed_bundle(bundle, keys)
        allowed = ", may replace newer ones" if statement.allow_downgrade else ""
        checklist.add(Check("signature", True, note=f"key {statement.key_id}{allowed}"))
    else:
        manifest = read_bundle(bundle)
    checklist.add(Check("hashes of all files", True, note=f"{len(manifest.files)} files"))
    checklist.add(*_strays(bundle, manifest))
    for reference in manifest.packs:
        read_pack_at(bundle, manifest, reference)
    return manifest


def _unsigned(backend: str) -> Check:
    """Return the line of an engine that is not loaded where only what is signed is believed."""
    note = (
        "not run: engines are made on each machine, and the signature is not of them;"
        f" --backend {backend} runs this machine's even so"
    )
    return Check(f"backend {backend}", None, note=note)


def _strays(bundle: Path, manifest: BundleManifest) -> list[Check]:
    """Return the line that names files which no hash stands for."""
    known = {*manifest.files, MANIFEST_FILE, SIGNATURE_FILE}
    found = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    strays = [
        path.as_posix()
        for path in found
        if path.as_posix() not in known
        and path.parts[0] != ENGINES_FOLDER
        and not path.name.startswith(".")  # locks, and what is being written
    ]
    if not strays:
        return []
    note = f"{first_of(strays, _NAMED)}: nothing reads them, and no hash is of them"
    return [Check("files that are not the bundle's", None, note=note)]


def _graph(bundle: Path, manifest: BundleManifest) -> OrtGraph:
    require_runtime(manifest.requires, "onnxruntime", load_onnxruntime().__version__)
    return OrtGraph(bundle / manifest.graph_for("onnxruntime").file)


def _further(bundle: Path, manifest: BundleManifest, folder: Path) -> Further:
    """Return a folder's frames with ONNX Runtime's outputs: it was proved against torch."""
    images = real_frames(folder, manifest.preprocess)
    graph = _graph(bundle, manifest)
    outputs = {}
    for reference in manifest.packs:
        tensors = load_pack(bundle / reference.path).tensors
        found = graph.run(images, slots_to_bind(manifest, tensors))
        outputs[reference.path] = Outputs(found["image_features"], found["probabilities"])
    return Further(images, outputs)


def _unused(further: Further | None, checks: Sequence[Check]) -> list[Check]:
    """Return the line that says so where no engine was run on a user's own frames."""
    if further is None or any(check.name.endswith(YOURS) for check in checks):
        return []
    note = "no engine here to hold against ONNX Runtime: `edgeclip-export bundle` compares it with"
    return [Check(f"{len(further.images)} {YOURS}", None, note=f"{note} torch on such frames")]


def _checks(
    backend: str,
    bundle: Path,
    manifest: BundleManifest,
    hosts: Mapping[str, EngineHost],
    further: Further | None,
) -> list[Check]:
    if backend in hosts:
        return engine_checks(bundle, manifest, hosts[backend], further)
    graph = _graph(bundle, manifest)
    checks = []
    for reference in manifest.packs:
        pack = load_pack(bundle / reference.path)
        found = graph.run(pack.golden.images, slots_to_bind(manifest, pack.tensors))
        subject = f"{reference.task} {reference.version}, ONNX Runtime"
        features = golden_features(pack.tensors, baked=manifest.baked)
        checks += golden_checks(subject, pack.golden, found, features=features)
    return checks
