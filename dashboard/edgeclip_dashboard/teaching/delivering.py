"""A delivery with a pack more: what was uploaded, and the taught pack beside it, signed anew."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from edgeclip.contract.bundle import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    FileRecord,
)
from edgeclip.contract.delivery import NO_ZIP, entry_parts
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, PackManifest, read_pack_manifest
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.signing import sign
from edgeclip.errors import BundleDamagedError, DashboardError
from edgeclip_dashboard.field.carried import manifest_of


def unpack(delivery: Path, reference: PackRef, folder: Path) -> Path:
    """Write the files of one pack of a delivery into a folder, and return it.

    Raises:
        DashboardError: A file is missing or damaged.
        OSError: The folder cannot be written.
    """
    prefix = f"{reference.path}/"
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(delivery) as file:
            for name, record in manifest_of(file).files.items():
                inner = name.removeprefix(prefix)
                if name.startswith(prefix) and "/" not in inner:
                    with (folder / inner).open("wb") as target:
                        for part in entry_parts(file, name, record):
                            target.write(part)
    except (*NO_ZIP, BundleDamagedError, ValidationError) as error:
        raise DashboardError(f"the delivery cannot be read: {error}") from error
    return folder


def write_delivery(
    below: Path, pack: Path, target: Path, key: Ed25519PrivateKey, at: datetime
) -> None:
    """Write a delivery: all of another one, with a pack more that serves its task from now on.

    Args:
        below: The delivery that the pack was built on.
        pack: The folder of the new one.
        target: The file.
        key: Vouches for it.
        at: Aware UTC.

    Raises:
        DashboardError: The pack does not go with the delivery.
        OSError: The file cannot be written.
    """
    own = read_pack_manifest(pack)
    place = f"packs/{own.task}/{own.version}"
    files = {f"{place}/{name}": pack / name for name in (PACK_FILE, *own.files)}
    try:
        with zipfile.ZipFile(below) as source:
            manifest = manifest_of(source)
            _refuse_unfit(manifest, own)
            reference = PackRef(
                task=own.task, version=own.version, path=place, static=_static(manifest, own.task)
            )
            data = _with(manifest, reference, files, at).to_json().encode()
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr(MANIFEST_FILE, data)
                file.writestr(SIGNATURE_FILE, sign(data, "bundle", key))
                for name, path in files.items():
                    file.write(path, name)
                _copy(source, manifest, file)
    except (*NO_ZIP, BundleDamagedError, ValidationError) as error:
        raise DashboardError(f"the delivery cannot be read: {error}") from error


def _static(manifest: BundleManifest, task: str) -> dict[str, str]:
    """Return what must hold of an image for the version before, which is so for the next one."""
    return next((ref.static for ref in manifest.packs if ref.task == task), {})


def _refuse_unfit(manifest: BundleManifest, pack: PackManifest) -> None:
    columns, most = len(pack.column_class), manifest.profiles.get("K")
    if most is not None and columns > most.max:
        raise DashboardError(
            f"its bundle has room for {most.max} columns, the taught pack has {columns}: export the"
            " bundle again"
        )
    if any(ref.task == pack.task and ref.version == pack.version for ref in manifest.packs):
        raise DashboardError(f"the delivery holds {pack.task}@{pack.version} already")


def _with(
    manifest: BundleManifest, own: PackRef, files: Mapping[str, Path], at: datetime
) -> BundleManifest:
    """Return the manifest with a pack more: before older ones of its task, and so it serves."""
    records = {
        name: FileRecord(sha256=sha256_file(path), size_bytes=path.stat().st_size)
        for name, path in files.items()
    }
    places = [number for number, ref in enumerate(manifest.packs) if ref.task == own.task]
    first = places[0] if places else len(manifest.packs)
    packs = [*manifest.packs[:first], own, *manifest.packs[first:]]
    update = {"created_at": at, "packs": packs, "files": {**manifest.files, **records}}
    return BundleManifest.model_validate_json(manifest.model_copy(update=update).to_json())


def _copy(source: zipfile.ZipFile, manifest: BundleManifest, target: zipfile.ZipFile) -> None:
    """Copy the files that a delivery has, each compared with its record."""
    for name in source.namelist():
        if name in manifest.files:
            with target.open(name, "w", force_zip64=True) as entry:
                for part in entry_parts(source, name, manifest.files[name]):
                    entry.write(part)
