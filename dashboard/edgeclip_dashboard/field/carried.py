"""What a delivery carries: its manifest names the whole bundle, its files are often one pack's."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from edgeclip.contract.bundle import MANIFEST_FILE, BundleManifest
from edgeclip.contract.delivery import NO_ZIP, small_entry
from edgeclip.contract.pack import PACK_FILE
from edgeclip.contract.pack_ref import PackRef
from edgeclip.errors import BundleDamagedError, DashboardError


def manifest_of(file: zipfile.ZipFile) -> BundleManifest:
    """Return a delivery's manifest.

    Raises:
        BundleDamagedError: It is larger than any.
        ValidationError: It is none of this version.
    """
    return BundleManifest.model_validate_json(small_entry(file, MANIFEST_FILE))


def carried(manifest: BundleManifest, names: Collection[str]) -> tuple[PackRef, ...]:
    """Return the packs that a delivery brings to a device: of each task the one that serves.

    Args:
        manifest: Of the delivery; of a task its first pack serves.
        names: Of the delivery's files.

    Returns:
        Those whose files it has; of one without any, all that serve.
    """
    with_files = [ref for ref in manifest.packs if f"{ref.path}/{PACK_FILE}" in names]
    first: dict[str, PackRef] = {}
    for ref in with_files or manifest.packs:
        first.setdefault(ref.task, ref)
    return tuple(first.values())


def named(refs: Collection[PackRef]) -> tuple[str, ...]:
    """Return packs as task@version."""
    return tuple(f"{ref.task}@{ref.version}" for ref in refs)


def carried_names(path: Path) -> tuple[str, ...]:
    """Return what a delivery carries, as task@version; no file but its manifest is read.

    What is no delivery has none.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return named(carried(manifest_of(file), set(file.namelist())))
    except (OSError, *NO_ZIP, BundleDamagedError, ValidationError):
        return ()


def packs_to_build_on(delivery: Path) -> tuple[PackRef, ...]:
    """Return the packs of a delivery that a class can be added to.

    Raises:
        DashboardError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(delivery) as file:
            manifest, names = manifest_of(file), set(file.namelist())
    except (OSError, *NO_ZIP, BundleDamagedError, ValidationError) as error:
        raise DashboardError(f"the delivery cannot be read: {error}") from error
    if manifest.baked:
        return ()
    return tuple(ref for ref in carried(manifest, names) if f"{ref.path}/{PACK_FILE}" in names)
