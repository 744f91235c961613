"""Learned gates and router rows written by hand: of any packs, right or wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, ROUTER_FILE

Tensors = Mapping[str, NDArray[np.generic]]
ENCODER = "a" * 64


def write_gate(
    folder: Path,
    packs: Sequence[tuple[str, str]],
    tensors: Tensors,
    *,
    base_sha256: str = ENCODER,
    **fields: object,
) -> Path:
    """Write a gate and return its folder.

    Args:
        folder: Is made.
        packs: Name and hash of `pack.json` of each.
        tensors: By name.
        base_sha256: Of the encoder.
        fields: Of `gate.json`, in place of the usual.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / GATE_TENSORS_FILE
    save_file({name: np.ascontiguousarray(own) for name, own in tensors.items()}, path)
    rows = [
        {"name": name, "sha256": sha256, "samples": 1, "taught_by": "images"}
        for name, sha256 in packs
    ]
    content: dict[str, object] = {
        "schema": "edgeclip.gate/1", "k": 1, "base_sha256": base_sha256, "packs": rows,
        "balance": 0.01, "steps": 200, "tensors_sha256": sha256_file(path),
    }  # fmt: skip
    (folder / GATE_FILE).write_text(json.dumps(content | fields))
    return folder


def gate_of(
    keys: Sequence[Sequence[float]], *, scale: float = 10.0
) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a gate with these keys, as unit vectors, and no bias."""
    rows = np.array(keys, np.float32)
    return {
        "gate_keys": rows / np.linalg.norm(rows, axis=1, keepdims=True),
        "gate_scale": np.array([scale], np.float32),
        "gate_bias": np.zeros(len(rows), np.float32),
    }


def add_router_row(
    bundle: Path, task: str, key: Sequence[float], *, threshold: float = 0.2
) -> None:
    """Give a pack of a bundle a router row, as its training does, and mend the hashes.

    Args:
        bundle: Its folder.
        task: Of the pack.
        key: Its one prototype, of any length.
        threshold: Of the row.
    """
    folder = bundle / f"packs/{task}/1.0.0"
    unit = np.array([key], np.float32) / np.linalg.norm(key)
    row = {
        "router_keys": unit.astype(np.float32),
        "router_scale": np.array([10.0], np.float32),
        "router_threshold": np.array([threshold], np.float32),
    }
    save_file(row, folder / ROUTER_FILE)
    document = json.loads((folder / PACK_FILE).read_text())
    document["files"][ROUTER_FILE] = sha256_file(folder / ROUTER_FILE)
    (folder / PACK_FILE).write_text(json.dumps(document))
    manifest = json.loads((bundle / MANIFEST_FILE).read_text())
    size = (folder / PACK_FILE).stat().st_size
    record = {"sha256": sha256_file(folder / PACK_FILE), "size_bytes": size}
    manifest["files"][f"packs/{task}/1.0.0/{PACK_FILE}"] = record
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest))
