"""How like the images of a new pack are to those of others, by the prototypes that each carries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from edgeclip.contract.pack import ROUTER_FILE
from edgeclip.registry.held import Held

Keys = NDArray[np.float32]


def likeness(new: Held, others: Sequence[Held]) -> dict[str, float]:
    """Return for each other task what share of the new pack's prototypes lie within its threshold.

    The router would hand such images to that pack as well; 0 means images of another world.

    Args:
        new: The pack.
        others: Packs of the same encoder are compared; of each task the newest.
    """
    own = _row(new.path)
    if own is None:
        return {}
    newest = {each.manifest.task: each for each in sorted(others, key=lambda held: held.order)}
    found = {}
    for task, other in sorted(newest.items()):
        row = _row(other.path)
        same = other.manifest.base.weights_sha256 == new.manifest.base.weights_sha256
        if task != new.manifest.task and row is not None and same:
            distance = 1 - (own[0] @ row[0].T).max(axis=1)
            found[task] = float((distance <= row[1]).mean())
    return found


def _row(pack: Path) -> tuple[Keys, float] | None:
    """Return a pack's prototypes, and how far an image of its own may lie from them."""
    try:
        tensors = load_file(pack / ROUTER_FILE)
        return tensors["router_keys"], float(tensors["router_threshold"][0])
    except (OSError, SafetensorError, KeyError):
        return None
