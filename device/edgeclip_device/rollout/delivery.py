"""A delivery: a bundle's manifest, its signature, and those of its files that a device lacks.

It is a zip with `manifest.json`, `manifest.sig` and files by their names in the manifest. What it
lacks is taken from the bundle that runs, by its hash; so a new pack is some 100 kB on its way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from edgeclip.contract.bundle import (
    ENGINES_FOLDER,
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    FileRecord,
    find_pack,
    read_bundle,
)
from edgeclip.contract.delivery import NO_ZIP, entry_parts, small_entry
from edgeclip.contract.files import new_folder, write_bytes
from edgeclip.contract.signing import read_public_keys, verified
from edgeclip.contract.validation import explain
from edgeclip.errors import BundleDamagedError, OutboxError, SignatureError


def wrap(bundle: Path, target: Path, *, task: str | None = None, whole: bool = False) -> int:
    """Write a delivery of a signed bundle; return its size in bytes.

    Args:
        bundle: The whole bundle.
        target: The file to write.
        task: Whose pack goes; None is the bundle's first.
        whole: All files go, for devices with another encoder.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of it is missing or altered.
        BundleMismatchError: It has no pack of that task.
        SignatureError: It is not signed: no device would take it.
    """
    manifest = read_bundle(bundle)
    if not (bundle / SIGNATURE_FILE).is_file():
        raise SignatureError(f"{bundle} is not signed: sign it with `edgeclip-export sign`")
    prefix = "" if whole else find_pack(manifest, task).path + "/"
    names = [name for name in manifest.files if name.startswith(prefix)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name in (MANIFEST_FILE, SIGNATURE_FILE, *names):
            file.write(bundle / name, name)
    return target.stat().st_size


def unwrap(
    delivery: Path, folder: Path, base: Path, believed: Callable[[Path, bytes], object]
) -> BundleManifest:
    """Make a bundle of a delivery and of what the device has, whole or not at all.

    Args:
        delivery: The zip.
        folder: The new bundle.
        base: The bundle that runs; its files and engines are linked, not copied, where that works.
        believed: Raises where a manifest's bytes are not those of a believed signer, given the
            signature's file; called before anything else of the delivery is looked at.

    Raises:
        SignatureError: `believed` does not believe it.
        BundleDamagedError: It is no delivery, is cut short, or lacks what the device lacks.
        OutboxError: The disk is full or cannot be written.
    """
    try:
        with zipfile.ZipFile(delivery) as file, new_folder(folder, overwrite=True) as staging:
            data = small_entry(file, MANIFEST_FILE)
            write_bytes(staging / SIGNATURE_FILE, small_entry(file, SIGNATURE_FILE))
            believed(staging / SIGNATURE_FILE, data)
            manifest = _parsed(data, delivery)
            for name, record in manifest.files.items():
                _place(file, name, record, (staging, base))
            _link_engines(base, staging)
            write_bytes(staging / MANIFEST_FILE, data)
    except NO_ZIP as error:
        raise BundleDamagedError(f"{delivery} is no delivery ({error}): send it again") from error
    except OSError as error:
        raise OutboxError(f"{folder} cannot be written ({error}): free space") from error
    return manifest


def believer(public_keys: Sequence[Path]) -> Callable[[Path, bytes], object]:
    """Return what believes a manifest's bytes, given the file of their signature, or raises.

    Raises:
        SignatureError: There are no keys, without which no delivery is taken.
        ConfigError: A key's file is no public key.
    """
    keys = read_public_keys(public_keys)
    if not keys:
        raise SignatureError("no pack is taken without keys: name some in [inference].public_keys")
    return lambda signature, data: verified(signature, data, "bundle", keys)


def looked_into(delivery: Path, believed: Callable[[Path, bytes], object]) -> BundleManifest:
    """Return the manifest of a delivery that is believed; nothing of it is unpacked.

    Args:
        delivery: The zip.
        believed: As for `unwrap`.

    Raises:
        SignatureError: `believed` does not believe it.
        BundleDamagedError: It is no delivery, or cannot be read.
    """
    try:
        with zipfile.ZipFile(delivery) as file, tempfile.TemporaryDirectory() as folder:
            data = small_entry(file, MANIFEST_FILE)
            signature = Path(folder) / SIGNATURE_FILE
            signature.write_bytes(small_entry(file, SIGNATURE_FILE))
            believed(signature, data)
            return _parsed(data, delivery)
    except (OSError, *NO_ZIP) as error:
        raise BundleDamagedError(
            f"{delivery} is no delivery ({error}): make one with `edgeclip-device pack wrap`"
        ) from error
    except SignatureError as error:
        raise SignatureError(f"{delivery} is not believed: {error}") from error


def unasked(_signature: Path, _data: bytes) -> None:
    """Believe every signature, where whose it is is not the question."""


def is_delivery(path: Path) -> bool:
    """Say whether a file is a delivery, whoever signed it."""
    try:
        looked_into(path, unasked)
    except BundleDamagedError:
        return False
    return True


def _parsed(data: bytes, delivery: Path) -> BundleManifest:
    try:
        return BundleManifest.model_validate_json(data)
    except ValidationError as error:
        raise BundleDamagedError(explain(error, BundleManifest, str(delivery))) from error


def _place(
    file: zipfile.ZipFile, name: str, record: FileRecord, folders: tuple[Path, Path]
) -> None:
    """Put one file of the manifest into the new bundle; hashes are checked when it is read."""
    staging, base = folders
    path = staging / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name in file.namelist():
        _extract(file, name, record, path)
    elif (base / name).is_file() and (base / name).stat().st_size == record.size_bytes:
        _link(base / name, path)
    else:
        raise BundleDamagedError(
            f"the delivery lacks {name}, and {base} has none of that size: wrap it with --whole"
        )


def _extract(file: zipfile.ZipFile, name: str, record: FileRecord, path: Path) -> None:
    """Unpack one file, and no byte more than its record allows."""
    with path.open("wb") as target:
        for part in entry_parts(file, name, record):
            target.write(part)
        target.flush()
        os.fsync(target.fileno())


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _link_engines(base: Path, staging: Path) -> None:
    """Take the engines along: they are of the graphs, which a new pack leaves as they are."""
    if not (base / ENGINES_FOLDER).is_dir():
        return
    (staging / ENGINES_FOLDER).mkdir(exist_ok=True)
    for path in (base / ENGINES_FOLDER).iterdir():
        if path.is_file():
            _link(path, staging / ENGINES_FOLDER / path.name)
