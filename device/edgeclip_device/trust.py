"""Which bundles may decide: signed by a key that is believed, and never older than one before."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
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
    signed_at: AwareDatetime | None = Field(
        None, description="Latest of those that ran; null in files of before it was kept."
    )
    packs: dict[TaskName, Version] = Field(default_factory=dict)


class Trust:
    """Reads bundles that are believed, and remembers the newest that ran.

    Without keys every whole bundle is believed, and nothing is remembered.

    Args:
        settings: The table `[inference]`: whose signatures are believed.
        state: Folder in which the newest is remembered.
        may_return: Hashes of manifests that ran here, and may though something newer did.

    Raises:
        ConfigError: A key's file is no public key.
    """

    def __init__(
        self, settings: InferenceSettings, state: Path, may_return: Collection[str] = ()
    ) -> None:
        self._may_return = may_return
        self._keys = read_public_keys(settings.public_keys)
        self._file = state / ACCEPTED_FILE
        self._believed: list[tuple[BundleManifest, Statement]] = []

    def read(self, folder: Path) -> BundleManifest:
        """Return the manifest of a bundle that may decide.

        Raises:
            SignatureError: It is not signed by a believed key, was altered, or is older than what
                ran here and not signed with `--allow-downgrade` since.
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
        try:
            self._refuse_older(folder, manifest, said[0])
        except SignatureError:
            if said[0].sha256 not in self._may_return:
                raise
            return manifest  # what is remembered stays
        self._believed.append((manifest, said[0]))
        return manifest

    def accept(self, manifest: BundleManifest) -> None:
        """Remember a bundle that computes what it should; older ones are refused from now on.

        Raises:
            OutboxError: The state folder cannot be written.
        """
        if not self._keys or manifest not in [read for read, _ in self._believed]:
            return
        newest = self._newest()
        before = newest.packs if newest else {}
        signed = [said.signed_at for read, said in self._believed if read == manifest]
        if newest and newest.signed_at:
            signed.append(newest.signed_at)
        accepted = Accepted(
            created_at=manifest.created_at,
            signed_at=max(signed, default=None),
            packs={**before, **_versions(manifest)},
        )
        if accepted == newest:
            return
        try:
            write_text(self._file, accepted.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise OutboxError(
                f"{self._file} cannot be written ({error}): free space, or repair the disk"
            ) from error

    def _refuse_older(self, folder: Path, manifest: BundleManifest, said: Statement) -> None:
        newest = self._newest()
        if newest is None:
            return
        is_stale = newest.signed_at is not None and said.signed_at < newest.signed_at
        if said.allow_downgrade and not is_stale:
            return
        if said.allow_downgrade:  # else an old bundle could be brought back for ever
            remedy = "sign it anew with --allow-downgrade: something signed later ran here since"
        else:
            remedy = "copy the newer bundle, or sign this one with --allow-downgrade"
        if older := _older(newest.packs, _versions(manifest)):
            raise SignatureError(
                f"{folder} has {older[0]}, and {older[1]} ran here before: {remedy}"
            )
        if manifest.created_at < newest.created_at:
            raise SignatureError(
                f"{folder} was made at {manifest.created_at:%Y-%m-%d %H:%M:%S %Z}, and one of"
                f" {newest.created_at:%Y-%m-%d %H:%M:%S %Z} ran here before: {remedy}"
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
