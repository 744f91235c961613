"""Bundles altered on purpose: by someone who makes all hashes right again."""

from __future__ import annotations

import json
from pathlib import Path

from edgeclip.contract.hashing import sha256_file

PACK = "packs/leopard/1.0.0"


def change_json(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def hash_again(bundle: Path, own: str = PACK) -> None:
    """Write the hashes of a bundle's files, and of one of its packs', as they are now."""
    pack = bundle / own / "pack.json"
    names = json.loads(pack.read_text())["files"]
    change_json(pack, files={name: sha256_file(bundle / own / name) for name in names})
    manifest = bundle / "manifest.json"
    files = {
        name: {"sha256": sha256_file(bundle / name), "size_bytes": (bundle / name).stat().st_size}
        for name in json.loads(manifest.read_text())["files"]
    }
    change_json(manifest, files=files)
