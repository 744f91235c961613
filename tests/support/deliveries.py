"""A team that signs bundles of versions, and wraps them for the air."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.signing import make_key
from edgeclip_device.rollout.delivery import wrap
from edgeclip_export.sign import sign_bundle
from support.altered_bundles import PACK, change_json, hash_again
from support.tiny_bundle import TinyPack, write_tiny_bundle

MADE = datetime(2026, 5, 1, tzinfo=timezone.utc)


@dataclass
class Team:
    """People with a key.

    Attributes:
        folder: Where they work.
        public: The key's other half, for `[inference].public_keys`.
    """

    folder: Path
    public: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.public = make_key(self.folder / "key")

    def bundle(
        self, version: str, pack: TinyPack | None = None, *, golden_is_right: bool = True
    ) -> Path:
        """Return a signed bundle whose pack `leopard` has a version; later ones are newer."""
        folder = write_tiny_bundle(self.folder / version, [pack or TinyPack()])
        made = MADE + timedelta(days=int(version.split(".")[1]))
        path = folder / MANIFEST_FILE
        manifest = json.loads(path.read_text()) | {"created_at": made.isoformat()}
        manifest["packs"][0]["version"] = version
        path.write_text(json.dumps(manifest))
        change_json(folder / PACK / "pack.json", version=version)
        if not golden_is_right:
            _spoil(folder / PACK / "golden.npz")
        hash_again(folder)
        sign_bundle(folder, self.folder / "key")
        return folder

    def delivery(self, version: str, pack: TinyPack | None = None, **more: bool) -> Path:
        """Return a delivery of such a bundle."""
        target = self.folder / f"{version}.zip"
        wrap(self.bundle(version, pack, **more), target)
        return target


def _spoil(path: Path) -> None:
    with np.load(path) as arrays:
        changed = {name: arrays[name] for name in arrays}
    changed["probabilities"] = changed["probabilities"][:, ::-1].copy()
    np.savez(path, allow_pickle=False, **changed)
