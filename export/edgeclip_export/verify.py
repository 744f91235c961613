"""Prove a bundle again: hashes, then its packs' golden frames through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeclip.contract.bundle import read_bundle, read_pack_at
from edgeclip.contract.pack import filled_for
from edgeclip.errors import ParityError
from edgeclip.packs import load_pack
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.gates import golden_checks
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.sign import read_signed_bundle


def verify_bundle(
    bundle: Path, on_check: Callable[[Check], None], keys: Sequence[Path] = ()
) -> tuple[Check, ...]:
    """Return the checks of a bundle, all passed.

    Args:
        bundle: The folder.
        on_check: Called with each check as it is made.
        keys: Public keys' files; with any, one of them must have signed the bundle.

    Raises:
        ConfigError: One of `keys` is no public key.
        SignatureError: None of them signed the bundle as it is.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file was altered or is missing.
        BundleMismatchError: Another version, or a pack of another encoder.
        PackError: A pack is damaged.
        SetupError: ONNX Runtime is not installed.
        BackendError: ONNX Runtime cannot run the graph.
        ParityError: The outputs are not the golden ones.
    """
    checklist = Checklist(on_check)
    if keys:
        manifest, statement = read_signed_bundle(bundle, keys)
        allowed = ", may replace newer ones" if statement.allow_downgrade else ""
        checklist.add(Check("signature", True, note=f"key {statement.key_id}{allowed}"))
    else:
        manifest = read_bundle(bundle)
    checklist.add(Check("hashes of all files", True, note=f"{len(manifest.files)} files"))
    graph = OrtGraph(bundle / manifest.graph_for("onnxruntime").file)
    for reference in manifest.packs:
        read_pack_at(bundle, manifest, reference)
        pack = load_pack(bundle / reference.path)
        slots = filled_for(manifest.graph, manifest.base, pack.tensors)
        found = graph.run(pack.golden.images, slots)
        subject = f"{reference.task} {reference.version}, ONNX Runtime"
        checklist.add(*golden_checks(subject, pack.golden, found))
    checklist.require(ParityError, "do not ship this bundle; export it again")
    return tuple(checklist.checks)
