"""The slots of the graph: which tensors a pack may bind, their shapes and neutral values.

A slot that a pack lacks is bound to its neutral value, which makes it exactly the frozen encoder
with the pack's class matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import PackError


@dataclass(frozen=True)
class Slot:
    """One pack tensor of the graph, float32.

    Attributes:
        dims: Letters of the shape. Fixed by the encoder: D width, E embedding. Free: H hidden, d
            attention width, M prompts + 1, K columns, C cache entries. "1" is a single number.
        neutral: The value that switches the slot off, or None where a pack must have it.
    """

    dims: tuple[str, ...]
    neutral: float | None


HEAD_SLOTS: Mapping[str, Slot] = {
    "projection_delta": Slot(("D", "E"), 0.0),
    "va_down": Slot(("E", "H"), 0.0),
    "va_up": Slot(("H", "E"), 0.0),
    "va_ratio": Slot(("1",), 0.0),
    "xm_q": Slot(("E", "d"), 0.0),
    "xm_k": Slot(("d", "M"), 0.0),
    "xm_v": Slot(("M", "E"), 0.0),
    "xm_ratio": Slot(("1",), 0.0),
    "class_weights": Slot(("E", "K"), None),
    "class_bias": Slot(("K",), 0.0),
    "logit_scale": Slot(("1",), None),
    "temperature": Slot(("1",), 1.0),
    "cache_keys": Slot(("E", "C"), 0.0),
    "cache_values": Slot(("C", "K"), 0.0),
    "alpha": Slot(("1",), 0.0),
    "beta": Slot(("1",), 0.0),
}
"""All slots of a `head` graph, in the order of its inputs after `images`."""

GRAPH_OUTPUTS = ("image_features", "base_embedding", "logits", "probabilities")
"""`(B, E)`, `(B, E)`, `(B, K)`, `(B, K)`, all float32."""


def filled_slots(
    tensors: Mapping[str, NDArray[np.float32]], *, width: int, embed_dim: int
) -> dict[str, NDArray[np.float32]]:
    """Return a tensor for every slot: the pack's where it has one, else the neutral value.

    Args:
        tensors: A pack's tensors by slot name, float32.
        width: D, the encoder's width before the projection.
        embed_dim: E, the encoder's embedding size.

    Returns:
        All of `HEAD_SLOTS` in their order, each C-contiguous float32.

    Raises:
        PackError: A tensor is surplus, missing without a neutral value, or of the wrong shape.
    """
    surplus = sorted(set(tensors) - set(HEAD_SLOTS))
    if surplus:
        raise PackError(f"the pack has tensors that no slot takes: {', '.join(surplus)}")
    sizes = {"1": 1, "D": width, "E": embed_dim}
    _read_sizes(tensors, sizes)
    filled = {}
    for name, slot in HEAD_SLOTS.items():
        shape = tuple(sizes.get(dim, 1) for dim in slot.dims)
        filled[name] = _tensor(name, slot, tensors.get(name), shape)
    return filled


def _read_sizes(tensors: Mapping[str, NDArray[np.float32]], sizes: dict[str, int]) -> None:
    """Learn the free dimensions from the pack's tensors; check that all agree."""
    for name, tensor in tensors.items():
        dims = HEAD_SLOTS[name].dims
        expected = tuple(sizes.get(dim, -1) for dim in dims)
        fits = tensor.ndim == len(dims) and all(
            size in (-1, found) for size, found in zip(expected, tensor.shape, strict=True)
        )
        if not fits:
            raise PackError(f"{name} has shape {tensor.shape}, expected {dims} = {expected}")
        sizes.update(zip(dims, tensor.shape, strict=True))


def _tensor(
    name: str, slot: Slot, tensor: NDArray[np.float32] | None, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    if tensor is None:
        if slot.neutral is None:
            raise PackError(f"the pack lacks {name}, which every pack must have")
        return np.full(shape, slot.neutral, np.float32)
    if not np.isfinite(tensor).all():
        raise PackError(f"{name} holds values that are not finite")
    return np.ascontiguousarray(tensor, np.float32)
