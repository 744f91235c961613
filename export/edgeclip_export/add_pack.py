"""Put a further pack into a bundle; graph, weights and engines are not touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edgeclip.contract.bundle import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    FileRecord,
    read_bundle,
    read_bundled_pack,
)
from edgeclip.contract.files import new_folder, reason_of, remedy_for, staged_bytes
from edgeclip.contract.gate import read_gate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.locks import drop_lock, lock_owner, take_lock
from edgeclip.contract.pack import (
    PACK_FILE,
    ROUTER_FILE,
    PackManifest,
    filled_for,
    version_numbers,
)
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.profiles import check_pack_fits
from edgeclip.errors import BundleMismatchError, ConfigError, ParityError, SetupError
from edgeclip.packs import Pack, load_pack
from edgeclip.tensor_file import read_tensors
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.differences import golden_checks
from edgeclip_export.ort_graph import OrtGraph

_LOCK_FILE = ".add-pack.lock"


@dataclass(frozen=True)
class AddedPack:
    """A pack that was put into a bundle.

    Attributes:
        reference: Where it lies.
        size_bytes: Of its files: what goes over the air.
        replaces: The version of the same task that served before, or None.
        was_signed: Whether the bundle's signature, now void, was removed.
        checks: All that were made.
    """

    reference: PackRef
    size_bytes: int
    replaces: str | None
    was_signed: bool
    checks: tuple[Check, ...]


def add_pack(bundle: Path, folder: Path, on_check: Callable[[Check], None]) -> AddedPack:
    """Put a pack into a bundle after its golden frames came out right through the bundle's graph.

    The manifest is written last: a bundle that is cut off before is the old one, whole. Its
    signature goes only when the new manifest lies on the disk.

    Args:
        bundle: The bundle's folder.
        folder: The pack's folder.
        on_check: Called with each check as it is made.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it was altered or is missing.
        BundleMismatchError: The pack is for another encoder or preprocessing, or its adapters
            reach into the tower and the bundle's graph has no slots there, or a pack is baked in.
        ConfigError: The bundle has this version of the task already, or a newer one.
        PackError: The pack is damaged, or too large for the bundle's profiles.
        ParityError: The graph computes something else than the pack promises.
        SetupError: ONNX Runtime is missing, the bundle cannot be written, or another pack is being
            added to it.
    """
    read_bundle(bundle, check_hashes=False)  # a folder that is none gets no lock
    pack = load_pack(folder)
    with alone(bundle):
        return _added(bundle, folder, pack, on_check)


@contextmanager
def alone(bundle: Path) -> Iterator[None]:
    """Hold the bundle: of two manifests that are written at once, one would lack a pack."""
    path = bundle / _LOCK_FILE
    try:
        descriptor = take_lock(path)
    except BlockingIOError as error:
        raise SetupError(
            f"process {lock_owner(path)} adds a pack to {bundle}: wait for it, and try again"
        ) from error
    except OSError as error:
        raise SetupError(
            f"{bundle} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    try:
        for left in bundle.glob(f".{MANIFEST_FILE}.*"):  # of a process that was killed
            left.unlink(missing_ok=True)
        yield
    finally:
        drop_lock(path, descriptor)


def _added(bundle: Path, folder: Path, pack: Pack, on_check: Callable[[Check], None]) -> AddedPack:
    manifest = read_bundle(bundle)
    before = refuse_unfit(bundle, manifest, pack.manifest)
    refuse_without_row(bundle, manifest, pack.manifest, sha256_file(folder / PACK_FILE))
    checklist = Checklist(on_check)
    check_outputs(bundle, manifest, pack, checklist)
    task, version = pack.manifest.task, pack.manifest.version
    static = next((ref.static for ref in manifest.packs if ref.task == task), {})
    own = PackRef(task=task, version=version, path=f"packs/{task}/{version}", static=static)
    signature = bundle / SIGNATURE_FILE
    try:
        records = copied(folder, pack.manifest, bundle, own.path)
        text = changed(bundle, manifest, own, records).to_json()
        was_signed = signature.exists()
        with staged_bytes(bundle / MANIFEST_FILE, text.encode()):
            signature.unlink(missing_ok=True)  # last but one: it never stands beside a change
    except OSError as error:
        raise SetupError(
            f"{bundle} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    return AddedPack(
        reference=own,
        size_bytes=sum(record.size_bytes for record in records.values()),
        replaces=before,
        was_signed=was_signed,
        checks=tuple(checklist.checks),
    )


def refuse_unfit(bundle: Path, manifest: BundleManifest, pack: PackManifest) -> str | None:
    """Return the version of the pack's task that serves now.

    Raises:
        BundleMismatchError: The pack cannot go into this bundle.
        ConfigError: Its version is not above the one that serves.
    """
    if manifest.baked:
        raise BundleMismatchError(
            f"{bundle} has {manifest.packs[0].task} baked in, and its graphs take no other pack:"
            " export a bundle without --bake"
        )
    if pack.is_bake_only:
        raise BundleMismatchError(
            f"pack {pack.task} changes the encoder's own weights, which no graph with slots can"
            " take: export it with --bake, to a bundle of its own"
        )
    if pack.base.weights_sha256 != manifest.base.weights_sha256:
        raise BundleMismatchError(
            f"pack {pack.task} was trained on {pack.base.arch} {pack.base.pretrained}, and {bundle}"
            f" holds {manifest.base.arch} {manifest.base.pretrained}: export a bundle of its own"
        )
    if pack.preprocess != manifest.preprocess:
        raise BundleMismatchError(
            f"pack {pack.task} has another preprocessing than {bundle}: train it again, or export"
            " a bundle of its own"
        )
    if pack.graph == "deep" and manifest.graph != "deep":
        raise BundleMismatchError(
            f"pack {pack.task} reaches into the image tower, and the graph of {bundle} has no slots"
            " there: export it with `edgeclip-export bundle`"
        )
    before = next((own.version for own in manifest.packs if own.task == pack.task), None)
    if before and version_numbers(before) >= version_numbers(pack.version):
        raise ConfigError(
            f"{bundle} has {pack.task} {before}, this pack is {pack.version}: make it with"
            " a higher --version, or under another --task to have both"
        )
    return before


def refuse_without_row(
    bundle: Path, manifest: BundleManifest, pack: PackManifest, sha256: str
) -> None:
    """Refuse a pack that a bundle's learned gate would never choose.

    Args:
        bundle: Its folder.
        manifest: Of the bundle.
        pack: The new one.
        sha256: Of its `pack.json`.

    Raises:
        BundleMismatchError: The gate does not know it.
        PackError: The gate is damaged.
    """
    if manifest.gate is None or ROUTER_FILE not in pack.files:
        return  # without a row static keys alone choose it
    gate = read_gate(
        bundle / manifest.gate,
        read_tensors,
        base_sha256=manifest.base.weights_sha256,
        embed_dim=manifest.base.embed_dim,
    )
    if sha256 not in {row.sha256 for row in gate.manifest.packs}:
        raise BundleMismatchError(
            f"the learned gate of {bundle} has no row for {pack.task} {pack.version}: put a set"
            " together with `edgeclip pack compose --gate learned`, and add the set"
        )


def check_outputs(bundle: Path, manifest: BundleManifest, pack: Pack, checklist: Checklist) -> None:
    """Run a pack's golden frames through a bundle's graph.

    Raises:
        ParityError: The graph computes something else than the pack promises.
        PackError: The pack is too large for the bundle's profiles.
    """
    slots = filled_for(manifest.graph, manifest.base, pack.tensors)
    check_pack_fits(slots, manifest.profiles)
    graph = OrtGraph(bundle / manifest.graph_for("onnxruntime").file)
    found = graph.run(pack.golden.images, slots)
    subject = f"{pack.manifest.task} {pack.manifest.version}, ONNX Runtime"
    checklist.add(*golden_checks(subject, pack.golden, found))
    checklist.require(ParityError, "the bundle is as it was; train the pack again")


def copied(source: Path, pack: PackManifest, bundle: Path, path: str) -> dict[str, FileRecord]:
    """Copy what the device needs of a pack, whole or not at all; return the files' records."""
    records = {}
    with new_folder(bundle / path, overwrite=True) as folder:  # an earlier attempt may lie there
        for name in (PACK_FILE, *pack.files):
            shutil.copyfile(source / name, folder / name)
            size = (folder / name).stat().st_size
            records[f"{path}/{name}"] = FileRecord(
                sha256=sha256_file(folder / name), size_bytes=size
            )
    return records


def changed(
    bundle: Path, manifest: BundleManifest, own: PackRef, records: dict[str, FileRecord]
) -> BundleManifest:
    """Return the manifest with a pack more, checked.

    The new pack stands before older ones of its task, and so serves; other tasks keep places.
    """
    places = [number for number, ref in enumerate(manifest.packs) if ref.task == own.task]
    at = places[0] if places else len(manifest.packs)
    packs = [*manifest.packs[:at], own, *manifest.packs[at:]]
    changed = manifest.model_copy(
        update={
            "created_at": datetime.now(timezone.utc),
            "packs": packs,
            "files": dict(sorted({**manifest.files, **records}.items())),
        }
    )
    written = BundleManifest.model_validate_json(changed.to_json())
    read_bundled_pack(bundle, written, own.task)
    return written
