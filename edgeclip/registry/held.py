"""A pack of a registry: its manifest, its signer, and the pack that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import (
    PACK_FILE,
    TENSORS_FILE,
    PackManifest,
    read_pack_manifest,
    version_numbers,
)
from edgeclip.contract.signing import read_statement
from edgeclip.errors import SignatureError

SIGNATURE_FILE = "pack.sig"


@dataclass(frozen=True)
class Held:
    """A pack that lies in a registry.

    Attributes:
        path: Its folder.
        manifest: Of the pack; the hashes of its files were checked.
        sha256: Of its `pack.json`, by which it is known.
        signed_by: Key id of its signature, believed or not; None without one.
        size_bytes: Of the files that its manifest names.
    """

    path: Path
    manifest: PackManifest
    sha256: str
    signed_by: str | None
    size_bytes: int

    @property
    def name(self) -> str:
        """task@version."""
        return f"{self.manifest.task}@{self.manifest.version}"

    @property
    def order(self) -> tuple[str, tuple[int, ...]]:
        """Sorts by task, then by version as versions compare."""
        return self.manifest.task, version_numbers(self.manifest.version)

    def parent(self, others: Sequence[Held]) -> str | None:
        """Return the name of the pack that this one stands on, its tensors' hash if it is absent.

        Args:
            others: Of the registry.
        """
        wanted = self.manifest.training.earlier_sha256
        if wanted is None:
            return None
        found = [each for each in others if each.manifest.files[TENSORS_FILE] == wanted]
        of_task = [each for each in found if each.manifest.task == self.manifest.task]
        for each in (*of_task, *found):
            return each.name
        return f"not here ({wanted[:12]})"


def read_held(folder: Path) -> Held:
    """Return a pack, after checking its hashes.

    Raises:
        PackError: There is none, or it is damaged.
    """
    manifest = read_pack_manifest(folder)
    files = [PACK_FILE, *manifest.files]
    return Held(
        path=folder,
        manifest=manifest,
        sha256=sha256_file(folder / PACK_FILE),
        signed_by=_signer(folder),
        size_bytes=sum((folder / name).stat().st_size for name in files),
    )


def _signer(folder: Path) -> str | None:
    path = folder / SIGNATURE_FILE
    if not path.exists():
        return None
    try:
        return read_statement(path).key_id
    except SignatureError:
        return "damaged"
