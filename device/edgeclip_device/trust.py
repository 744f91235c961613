"""Which bundles may decide: signed by a key that is believed, and never older than one before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from edgeclip.contract.bundle import SIGNATURE_FILE, BundleManifest, read_bundle
from edgeclip.contract.files import write_text
from edgeclip.contract.pack import Part, TaskName, Version, version_numbers
from edgeclip.contract.signing import Statement, read_public_keys, verified
from edgeclip.contract.validation import explain
from edgeclip.errors import OutboxError, SignatureError
from edgeclip_device.config import InferenceSettings

log = logging.getLogger(__name__)

ACCEPTED_FILE = "accepted.json"


class Accepted(Part):
    """The newest bundle that this device has run; kept in the state folder."""

    created_at: AwareDatetime
    packs: dict[TaskName, Version] = Field(default_factory=dict)


class Trust:
    """Reads bundles that are believed, and remembers the newest that ran.

    Without keys every whole bundle is believed, and nothing is remembered.

    Args:
        settings: The table `[inference]`: whose signatures are believed.
        state: Folder in which the newest is remembered.

    Raises:
        ConfigError: A key's file is no public key.
    """

    def __init__(self, settings: InferenceSettings, state: Path) -> None:
        self._keys = read_public_keys(settings.public_keys)
        self._file = state / ACCEPTED_FILE

    def read(self, folder: Path) -> BundleManifest:
        """Return the manifest of a bundle that may decide.

        Raises:
            SignatureError: It is not signed by a believed key, was altered, or is older than what
                ran here and not signed with `--allow-downgrade`.
            BundleMissingError: There is none.
            BundleDamagedError: A file of it is missing or altered.
            BundleMismatchError: It is for other software.
        """
        if not self._keys:
            return read_bundle(folder)
        said: list[Statement] = []
        signature = folder / SIGNATURE_FILE
        manifest = read_bundle(
            folder,
            believed=lambda data: said.append(verified(signature, data, "bundle", self._keys)),
        )
        if not said[0].allow_downgrade:
            self._refuse_older(folder, manifest)
        return manifest

    def accept(self, manifest: BundleManifest) -> None:
        """Remember a bundle that computes what it should; older ones are refused from now on.

        Raises:
            OutboxError: The state folder cannot be written.
        """
        if not self._keys:
            return
        newest = self._newest()
        before = newest.packs if newest else {}
        accepted = Accepted(created_at=manifest.created_at, packs={**before, **_versions(manifest)})
        if accepted == newest:
            return
        try:
            write_text(self._file, accepted.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(
                f"{self._file} cannot be written ({error}): free space, or repair the disk"
            ) from error

    def _refuse_older(self, folder: Path, manifest: BundleManifest) -> None:
        newest = self._newest()
        if newest is None:
            return
        if older := _older(newest.packs, _versions(manifest)):
            raise SignatureError(
                f"{folder} has {older[0]}, and {older[1]} ran here before: copy the newer bundle,"
                " or sign this one with --allow-downgrade"
            )
        if manifest.created_at < newest.created_at:
            raise SignatureError(
                f"{folder} was made at {manifest.created_at:%Y-%m-%d %H:%M:%S %Z}, and one of"
                f" {newest.created_at:%Y-%m-%d %H:%M:%S %Z} ran here before: copy the newer"
                " bundle, or sign this one with --allow-downgrade"
            )

    def _newest(self) -> Accepted | None:
        """Return what ran here; a file that cannot be read is no licence to go back in time."""
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutboxError(f"{self._file} cannot be read ({error}): repair the disk") from error
        try:
            return Accepted.model_validate_json(text)
        except ValidationError as error:
            raise SignatureError(
                f"{explain(error, Accepted, str(self._file))}: it says which bundle ran here last;"
                " delete it to accept any signed bundle once"
            ) from error


def _versions(manifest: BundleManifest) -> dict[str, str]:
    """Return the version of each task; the first of a task is the one that serves."""
    versions: dict[str, str] = {}
    for pack in manifest.packs:
        versions.setdefault(pack.task, pack.version)
    return versions


def _older(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str] | None:
    """Return a task that went back, as `task version` now and before."""
    for task, version in before.items():
        if task in now and version_numbers(now[task]) < version_numbers(version):
            return f"{task} {now[task]}", f"{task} {version}"
    return None
