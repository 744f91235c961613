"""Put the packs of a set into a bundle, and its learned gate; one manifest says all of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edgeclip.contract.bundle import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    FileRecord,
    find_pack,
    read_bundle,
    read_pack_at,
)
from edgeclip.contract.files import new_folder, reason_of, remedy_for, staged_bytes
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE, StoredGate
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, ROUTER_FILE, PackManifest, read_pack_manifest
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.static_facts import FRAME_KEYS
from edgeclip.errors import BundleMismatchError, ConfigError, SetupError
from edgeclip.packs import Pack, load_pack
from edgeclip.routed_packs import gate_of, load_routed
from edgeclip.set_files import SET_FILE, SetFolder, read_set
from edgeclip_export.add_pack import (
    AddedPack,
    alone,
    changed,
    check_outputs,
    copied,
    refuse_unfit,
    refuse_without_row,
)
from edgeclip_export.checks import Check, Checklist

_GATES = "gate"


@dataclass(frozen=True)
class SetSource:
    """A set that goes into a bundle.

    Attributes:
        folder: Of the set.
        held: Its packs, in order, and where its gate lies.
        gate: As read; None where prototypes choose.
    """

    folder: Path
    held: SetFolder
    gate: StoredGate | None

    @staticmethod
    def load(folder: Path) -> SetSource:
        """Return a set after all its checks.

        Raises:
            ConfigError: Two of its packs are of one task, by which devices know packs.
            PackError: It is damaged.
        """
        first = load_routed(folder).manifest
        held = read_set(folder)
        tasks = [load_pack(path).manifest.task for _, path, _ in held.parts]
        if twice := sorted({task for task in tasks if tasks.count(task) > 1}):
            raise ConfigError(
                f"{folder} has two packs of {twice[0]}, and a device knows packs by their task:"
                " train one with another --task"
            )
        gate = gate_of(held.gate, first) if held.gate else None
        return SetSource(folder, held, gate)

    def static_sha256(self) -> set[str]:
        """Return the hashes of the packs that static keys choose, of which a gate has no rows."""
        return {sha256_file(path / PACK_FILE) for _, path, static in self.held.parts if static}

    def router_lines(self) -> list[str]:
        """Return what device.toml says for these packs to share a camera; the bundle has the keys.

        A key that a device does not know of a frame is named: it refuses to start with it alone.
        """
        packs = [(load_pack(path).manifest.task, static) for _, path, static in self.held.parts]
        entries = ", ".join(f'{{task = "{task}"}}' for task, _ in packs)
        return [
            f"in device.toml: [router] packs = [{entries}]",
            *(
                f"a device does not know {key} of a frame: give {task} {', '.join(FRAME_KEYS[:-1])}"
                f" or {FRAME_KEYS[-1]} there"
                for task, static in packs
                for key in static
                if key not in FRAME_KEYS
            ),
        ]


@dataclass(frozen=True)
class AddedSet:
    """What a set brought into a bundle.

    Attributes:
        packs: Those that the bundle lacked.
        gate: Folder of the learned gate that came with it, or None.
        was_signed: Whether the bundle's signature, now void, was removed.
        checks: All that were made.
    """

    packs: list[AddedPack]
    gate: str | None
    was_signed: bool
    checks: tuple[Check, ...]


def is_set(folder: Path) -> bool:
    """Return whether a folder holds a set of packs."""
    return (folder / SET_FILE).is_file()


def add_set(bundle: Path, folder: Path, on_check: Callable[[Check], None]) -> AddedSet:
    """Put the packs of a set that a bundle lacks into it, and its gate in place of the bundle's.

    Args:
        bundle: The bundle's folder.
        folder: The set's.
        on_check: Called with each check as it is made.

    Raises:
        BundleMismatchError: A pack of the bundle that serves is not in the set's gate, or as for
            `add_pack`.
        ConfigError: The bundle has all of it already, or as for `add_pack`.
        EdgeclipError: As for `add_pack`.
    """
    read_bundle(bundle, check_hashes=False)  # a folder that is none gets no lock
    source = SetSource.load(folder)
    with alone(bundle):
        return put_set(bundle, source, Checklist(on_check))


def put_set(bundle: Path, source: SetSource, checklist: Checklist) -> AddedSet:
    """Do what `add_set` does, for who holds the bundle's lock.

    Args:
        bundle: Its folder.
        source: The set.
        checklist: Takes the checks.

    Raises:
        EdgeclipError: As for `add_set`.
    """
    manifest = read_bundle(bundle)
    folders = [path for _, path, _ in source.held.parts]
    new = [path for path in folders if not _holds(manifest, path)]
    for path in folders:
        if path not in new:
            _refuse_replaced(bundle, manifest, path)
    gate = f"{_GATES}/{_sha12(source.held.gate)}" if source.held.gate else None
    if not new and gate in (None, manifest.gate) and _with_keys(manifest, source) == manifest:
        raise ConfigError(f"{bundle} has the packs of {source.folder} already, keys and gate too")
    packs = [load_pack(path) for path in new]
    replaced = [refuse_unfit(bundle, manifest, pack.manifest) for pack in packs]
    _refuse_unknown(bundle, manifest, packs, new, source)
    for pack in packs:
        check_outputs(bundle, manifest, pack, checklist)
    was_signed = (bundle / SIGNATURE_FILE).exists()
    try:
        added = []
        for path, pack, before in zip(new, packs, replaced, strict=True):
            own, records = _put(bundle, path, pack.manifest)
            manifest = changed(bundle, manifest, own, records)
            size = sum(record.size_bytes for record in records.values())
            added.append(AddedPack(own, size, before, was_signed, tuple(checklist.checks)))
        if gate and source.held.gate:
            manifest = _with_gate(bundle, manifest, source.held.gate, gate)
        manifest = _with_keys(manifest, source)
        with staged_bytes(bundle / MANIFEST_FILE, manifest.to_json().encode()):
            (bundle / SIGNATURE_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(
            f"{bundle} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    _clear(bundle, manifest.gate)
    return AddedSet(added, gate, was_signed, tuple(checklist.checks))


def _put(bundle: Path, path: Path, pack: PackManifest) -> tuple[PackRef, dict[str, FileRecord]]:
    own = PackRef(task=pack.task, version=pack.version, path=f"packs/{pack.task}/{pack.version}")
    return own, copied(path, pack, bundle, own.path)


def _with_gate(bundle: Path, manifest: BundleManifest, source: Path, gate: str) -> BundleManifest:
    """Copy a gate, and return the manifest that names it in place of another."""
    records = {}
    with new_folder(bundle / gate, overwrite=True) as folder:
        for file in (GATE_FILE, GATE_TENSORS_FILE):
            shutil.copyfile(source / file, folder / file)
            size = (folder / file).stat().st_size
            records[f"{gate}/{file}"] = FileRecord(
                sha256=sha256_file(folder / file), size_bytes=size
            )
    kept = {n: own for n, own in manifest.files.items() if not n.startswith(f"{_GATES}/")}
    written = manifest.model_copy(
        update={
            "created_at": datetime.now(timezone.utc),
            "gate": gate,
            "files": dict(sorted({**kept, **records}.items())),
        }
    )
    return BundleManifest.model_validate_json(written.to_json())


def _with_keys(manifest: BundleManifest, source: SetSource) -> BundleManifest:
    """Return the manifest with the static keys that a set says of its packs."""
    keys = {sha256_file(path / PACK_FILE): static for _, path, static in source.held.parts}
    packs = [
        ref.model_copy(update={"static": keys.get(_sha256_of(manifest, ref), ref.static)})
        for ref in manifest.packs
    ]
    return manifest.model_copy(update={"packs": packs})


def _sha256_of(manifest: BundleManifest, ref: PackRef) -> str:
    """Return the hash of a pack's `pack.json`."""
    return manifest.files[f"{ref.path}/{PACK_FILE}"].sha256


def _clear(bundle: Path, gate: str | None) -> None:
    """Remove gates that the manifest does not name any more."""
    for path in (bundle / _GATES).glob("*"):
        if gate and path.is_dir() and path.name != Path(gate).name:
            shutil.rmtree(path, ignore_errors=True)


def _holds(manifest: BundleManifest, folder: Path) -> bool:
    """Return whether a bundle holds the very pack of a folder."""
    sha256 = sha256_file(folder / PACK_FILE)
    return any(_sha256_of(manifest, ref) == sha256 for ref in manifest.packs)


def _refuse_replaced(bundle: Path, manifest: BundleManifest, folder: Path) -> None:
    """Refuse a pack that the bundle holds, and in whose place a newer version serves there."""
    own = read_pack_manifest(folder, check_hashes=False)
    serving = find_pack(manifest, own.task).version
    if serving != own.version:
        raise ConfigError(
            f"{bundle} has {own.task} {serving}, which serves in place of the set's {own.version}:"
            " put the set together with that version"
        )


def _refuse_unknown(
    bundle: Path,
    manifest: BundleManifest,
    packs: Sequence[Pack],
    folders: Sequence[Path],
    source: SetSource,
) -> None:
    """Refuse a gate that does not know a pack that will serve, and the other way round."""
    if source.gate is None:
        for pack, folder in zip(packs, folders, strict=True):
            refuse_without_row(bundle, manifest, pack.manifest, sha256_file(folder / PACK_FILE))
        return
    known = {row.sha256 for row in source.gate.manifest.packs} | source.static_sha256()
    coming = {pack.manifest.task for pack in packs}
    seen: set[str] = set()
    for ref in manifest.packs:
        if ref.task in seen | coming:
            continue
        seen.add(ref.task)
        sha256 = _sha256_of(manifest, ref)
        if sha256 not in known and ROUTER_FILE in read_pack_at(bundle, manifest, ref).files:
            raise BundleMismatchError(
                f"the gate of the set has no row for {ref.task} {ref.version}, which the"
                " bundle holds: compose a set with it too, or export a bundle of the set"
            )


def _sha12(gate: Path) -> str:
    return sha256_file(gate / GATE_FILE)[:12]
