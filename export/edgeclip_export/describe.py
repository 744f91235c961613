"""What is inside a bundle, for people and as JSON. No torch, no onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeclip.contract.bundle import (
    ENGINES_FOLDER,
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    read_bundle,
    read_pack_at,
)
from edgeclip.contract.engine_faults import ASIDE_FOLDER, REASON_SUFFIX
from edgeclip.contract.engine_key import EngineSidecar, checked_sidecar
from edgeclip.contract.files import reason_of
from edgeclip.contract.gate import read_gate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.signing import read_statement
from edgeclip.errors import BundleDamagedError


def describe_bundle(bundle: Path) -> dict[str, Any]:
    """Return the bundle's content as JSON values.

    Args:
        bundle: The folder; its hashes are checked.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file was altered or is missing.
        BundleMismatchError: Another version, or a pack of another encoder.
        PackError: A pack is damaged.
        SignatureError: There is a signature file, and it is none.
    """
    manifest = read_bundle(bundle)
    return {
        "bundle": str(bundle),
        "created_at": manifest.created_at.isoformat(),
        "size_bytes": sum(record.size_bytes for record in manifest.files.values()),
        **_signer(bundle),
        "base": manifest.base.model_dump(),
        "baked": manifest.baked,
        "profiles": {name: item.model_dump() for name, item in manifest.profiles.items()},
        "parity": manifest.parity,
        "graphs": [_graph(graph.file, manifest) for graph in manifest.graphs],
        "gate": _gate(bundle, manifest),
        "packs": [_pack(read_pack_at(bundle, manifest, p)) for p in manifest.packs],
        "engines": [_engine(path) for path in sorted((bundle / ENGINES_FOLDER).glob("*.engine"))],
        "aside": [
            {"file": path.with_suffix(".engine").name, "reason": _first_line(path)}
            for path in sorted((bundle / ENGINES_FOLDER / ASIDE_FOLDER).glob(f"*{REASON_SUFFIX}"))
        ],
    }


def _signer(bundle: Path) -> dict[str, Any]:
    """Return the key that the signature names, and whether it is of this manifest.

    Nothing here says that the key is to be believed: that takes its public half.
    """
    path = bundle / SIGNATURE_FILE
    if not path.exists():
        return {"signed_by": None, "signature_is_of_this": None}
    statement = read_statement(path)
    is_of_this = statement.sha256 == sha256_file(bundle / MANIFEST_FILE)
    return {"signed_by": statement.key_id, "signature_is_of_this": is_of_this}


def _gate(bundle: Path, manifest: BundleManifest) -> dict[str, Any] | None:
    """Return what the learned gate is; None where prototypes choose between packs."""
    if manifest.gate is None:
        return None
    from edgeclip.tensor_file import read_tensors  # safetensors, which one pack alone does without

    base = manifest.base
    stored = read_gate(
        bundle / manifest.gate,
        read_tensors,
        base_sha256=base.weights_sha256,
        embed_dim=base.embed_dim,
    )
    return {"packs": [row.name for row in stored.manifest.packs], "k": stored.manifest.k}


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
    except OSError as error:
        return f"cannot be read ({reason_of(error)})"


def _graph(file: str, manifest: BundleManifest) -> dict[str, Any]:
    graph = next(item for item in manifest.graphs if item.file == file)
    record = manifest.files[file]
    return {
        "file": file,
        "rung": graph.rung,
        "runtime": graph.runtime,
        "opset": graph.opset,
        "nodes": graph.nodes,
        "size_bytes": record.size_bytes,
        "sha256": record.sha256,
    }


def _pack(pack: PackManifest) -> dict[str, Any]:
    return {
        "task": pack.task,
        "version": pack.version,
        "method": pack.method,
        "classes": pack.class_names,
        "thresholds": {name: limits.model_dump() for name, limits in pack.thresholds.items()},
        "metrics": pack.metrics,
    }


def _engine(path: Path) -> dict[str, Any]:
    try:
        sidecar = checked_sidecar(path)
    except BundleDamagedError as error:
        return {"file": path.name, "problem": str(error)}
    return {"file": path.name, **engine_facts(sidecar)}


def engine_facts(sidecar: EngineSidecar) -> dict[str, Any]:
    """Return what a reader wants to know of an engine, as JSON values."""
    machine = sidecar.made_from.machine
    return {
        "precision": sidecar.made_from.precision,
        "runtime": f"{machine.runtime} {machine.runtime_version}",
        "device": machine.device_name,
        "size_bytes": sidecar.engine_size_bytes,
        "build_s": sidecar.build_s,
        "peak_rss_mb": round(sidecar.peak_rss_mb),
        "built_at": sidecar.built_at.isoformat(),
        "power_mode": sidecar.power_mode,
        "parity": sidecar.parity,
        "problems": sidecar.problems,
        "benchmark": sidecar.benchmark,
    }
