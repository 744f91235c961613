"""Prove a bundle again: hashes, then its packs' golden frames on every backend that is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest, read_bundle, read_pack_at
from edgeclip.contract.requires import require_runtime
from edgeclip.errors import BackendError, BundleMismatchError, ParityError, SetupError
from edgeclip.packs import load_pack
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.differences import golden_checks
from edgeclip_export.engine_verify import EngineHost, engine_checks
from edgeclip_export.ort_graph import OrtGraph, load_onnxruntime
from edgeclip_export.sign import read_signed_bundle

BACKENDS = ("ort", "trt", "rtx")
HOSTS = {"trt": EngineHost.of("tensorrt"), "rtx": EngineHost.of("tensorrt_rtx")}


def verify_bundle(
    bundle: Path,
    on_check: Callable[[Check], None],
    keys: Sequence[Path] = (),
    *,
    backend: str | None = None,
    hosts: Mapping[str, EngineHost] = HOSTS,
) -> tuple[Check, ...]:
    """Return the checks of a bundle, all passed.

    Args:
        bundle: The folder.
        on_check: Called with each check as it is made.
        keys: Public keys' files; with any, one of them must have signed the bundle.
        backend: One of `BACKENDS`, which must be here; None takes those that are, and says why the
            others are not.
        hosts: The runtimes of engines, by backend.

    Raises:
        ConfigError: One of `keys` is no public key.
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
    absent, failures = 0, list[BackendError]()
    for name in (backend,) if backend else BACKENDS:
        try:
            checks = _checks(name, bundle, manifest, hosts)
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
    for reference in manifest.packs:
        read_pack_at(bundle, manifest, reference)
    return manifest


def _checks(
    backend: str, bundle: Path, manifest: BundleManifest, hosts: Mapping[str, EngineHost]
) -> list[Check]:
    if backend in hosts:
        return engine_checks(bundle, manifest, hosts[backend])
    require_runtime(manifest.requires, "onnxruntime", load_onnxruntime().__version__)
    graph = OrtGraph(bundle / manifest.graph_for("onnxruntime").file)
    checks = []
    for reference in manifest.packs:
        pack = load_pack(bundle / reference.path)
        found = graph.run(pack.golden.images, slots_to_bind(manifest, pack.tensors))
        subject = f"{reference.task} {reference.version}, ONNX Runtime"
        checks += golden_checks(subject, pack.golden, found)
    return checks
