"""Tensors under `delta.`, which change the encoder's own weights: no graph has slots for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

DELTA_PREFIX: Final = "delta."
BAKE_ONLY: Final = "bake-only"
"""Fusion class of a pack that has such tensors: it needs a graph of its own."""

TensorT = TypeVar("TensorT")


def changes_weights(names: Iterable[str]) -> bool:
    """Return whether tensors of these names change the encoder's own weights."""
    return any(name.startswith(DELTA_PREFIX) for name in names)


def split_deltas(tensors: Mapping[str, TensorT]) -> tuple[dict[str, TensorT], dict[str, TensorT]]:
    """Return the tensors that bind slots, and those that change the encoder's own weights."""
    slots = {name: value for name, value in tensors.items() if not changes_weights([name])}
    return slots, {name: value for name, value in tensors.items() if name not in slots}


def check_deltas(
    shapes: Mapping[str, Sequence[int]], *, fusion_class: str, graph: str, params: int
) -> None:
    """Check what a pack says of its changes.

    Args:
        shapes: Of all its tensors.
        fusion_class: As the pack states it.
        graph: Likewise.
        params: Of the encoder's image tower.

    Raises:
        ValueError: They are not stated, go with slots inside the encoder, or are too large.
    """
    changed = changes_weights(shapes)
    if changed != (fusion_class == BAKE_ONLY):
        raise ValueError(
            f"fusion_class {fusion_class} and the tensors under delta. do not belong together"
        )
    if changed and graph == "deep":
        raise ValueError("slots inside the encoder and tensors under delta. exclude each other")
    if sum(math.prod(shape) for shape in split_deltas(shapes)[1].values()) > params:
        raise ValueError("the tensors under delta. hold more numbers than the image tower")
