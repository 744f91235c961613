"""Reading what a pack says of the images that it is for: `router.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeclip.contract.gate import ReadTensors
from edgeclip.contract.pack import ROUTER_FILE, PackManifest
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import PackError


def row_without_prototypes(name: str, embed_dim: int, static: Mapping[str, str]) -> RouterRow:
    """Return the row of a pack that static keys alone choose: no image is near to it.

    Args:
        name: It has in a set or bundle.
        embed_dim: E, of its encoder.
        static: What must hold of an image.
    """
    return RouterRow(name, np.zeros((1, embed_dim), np.float32), 1.0, 0.0, dict(static))


def read_row(
    name: str,
    folder: Path,
    manifest: PackManifest,
    static: Mapping[str, str],
    read_tensors: ReadTensors,
) -> RouterRow:
    """Return a pack's row; of one that was trained without, a row that static keys alone choose.

    Args:
        name: It has in a set or bundle.
        folder: The pack.
        manifest: Of the pack.
        static: What must hold of an image.
        read_tensors: Reads a file of tensors; raises PackError where it holds none.

    Raises:
        PackError: The file holds no row, or one of another encoder.
    """
    embed_dim = manifest.base.embed_dim
    if ROUTER_FILE not in manifest.files:
        return row_without_prototypes(name, embed_dim, static)
    path = folder / ROUTER_FILE
    try:
        tensors = read_tensors(path)
        scale, threshold = (float(tensors[f"router_{n}"][0]) for n in ("scale", "threshold"))
        keys = tensors["router_keys"]
        samples, left_out = (tensors.get(f"router_{n}") for n in ("samples", "left_out"))
    except (PackError, KeyError, IndexError, TypeError, ValueError) as error:
        raise PackError(f"{path} holds no router row: copy the pack again") from error
    if keys.shape[1:] != (embed_dim,):
        raise PackError(f"{path}: keys {keys.shape} are of another encoder: train the pack again")
    return RouterRow(name, keys, scale, threshold, dict(static), samples=samples, left_out=left_out)
