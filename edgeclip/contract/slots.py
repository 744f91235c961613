"""The slots of the graph: which tensors a pack may bind, their shapes and neutral values.

A slot that a pack lacks is bound to its neutral value, which makes it exactly the frozen encoder
with the pack's class matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.deltas import changes_weights
from edgeclip.errors import PackError


@dataclass(frozen=True)
class Slot:
    """One pack tensor of the graph, float32.

    Attributes:
        dims: Letters of the shape. Fixed by the encoder: D width, E embedding, A blocks that take a
            block adapter, X blocks that take cross-modal attention. Free: H hidden, d attention
            width, M prompts + 1, K columns, C cache entries, h hidden of a block adapter, T text
            tokens + 1 in a block. "1" is a single number.
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

DEEP_SLOTS: Mapping[str, Slot] = {
    "ba_down": Slot(("A", "D", "h"), 0.0),
    "ba_down_bias": Slot(("A", "h"), 0.0),
    "ba_up": Slot(("A", "h", "D"), 0.0),
    "ba_up_bias": Slot(("A", "D"), 0.0),
    "bx_qk": Slot(("X", "D", "T"), 0.0),
    "bx_qk_bias": Slot(("X", "T"), 0.0),
    "bx_vo": Slot(("X", "T", "D"), 0.0),
    "bx_out_bias": Slot(("X", "D"), 0.0),
    "cp_attend": Slot(("E", "K"), 0.0),
    "cp_score": Slot(("E", "K"), 0.0),
}
"""What a `deep` graph has beside the slots of a `head` graph: inside blocks, and over patches."""

ALL_SLOTS: Mapping[str, Slot] = {**HEAD_SLOTS, **DEEP_SLOTS}
"""All slots of a `deep` graph, in the order of its inputs after `images`."""

MOST_ADAPTED_BLOCKS = 8
MOST_CROSS_MODAL_BLOCKS = 4
"""Counted from the end of the tower: a shorter tower has as many as it has blocks."""

GRAPH_OUTPUTS = ("image_features", "base_embedding", "logits", "probabilities")
"""What decides: `(B, E)`, `(B, E)`, `(B, K)`, `(B, K)`, all float32."""

HEAD_OUTPUTS = (*GRAPH_OUTPUTS, "patch_scores")
"""Of a `head` graph: also `(B, N - 1, K)`, how much each cell of the image is like each column."""

DEEP_OUTPUTS = (*HEAD_OUTPUTS, "attention")
"""Of a `deep` graph: also `(B, N - 1, K)`, where among the patches each column looked."""

GraphKind = Literal["head", "deep"]
SLOTS_OF: Mapping[GraphKind, Mapping[str, Slot]] = {"head": HEAD_SLOTS, "deep": ALL_SLOTS}
OUTPUTS_OF: Mapping[GraphKind, tuple[str, ...]] = {"head": HEAD_OUTPUTS, "deep": DEEP_OUTPUTS}


def adapted_blocks(blocks: int) -> int:
    """Return A: how many of a tower's blocks, counted from its end, take a block adapter."""
    return min(blocks, MOST_ADAPTED_BLOCKS)


def cross_modal_blocks(blocks: int) -> int:
    """Return X: how many of a tower's blocks, counted from its end, attend to text tokens."""
    return min(blocks, MOST_CROSS_MODAL_BLOCKS)


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
    return _filled(HEAD_SLOTS, tensors, {"1": 1, "D": width, "E": embed_dim})


def filled_deep_slots(
    tensors: Mapping[str, NDArray[np.float32]], *, width: int, embed_dim: int, blocks: int
) -> dict[str, NDArray[np.float32]]:
    """Return a tensor for every slot of a `deep` graph, as `filled_slots` does for a `head` graph.

    Args:
        tensors: A pack's tensors by slot name, float32.
        width: D, the encoder's width before the projection.
        embed_dim: E, the encoder's embedding size.
        blocks: L, how many transformer blocks the image tower has.

    Returns:
        All of `ALL_SLOTS` in their order, each C-contiguous float32.

    Raises:
        PackError: As `filled_slots`; or the encoder has no blocks that adapters know.
    """
    if blocks < 1:
        raise PackError(
            "the pack reaches into transformer blocks, which this encoder does not have: use a"
            " pack of the encoder at hand"
        )
    sizes = {"A": adapted_blocks(blocks), "X": cross_modal_blocks(blocks)}
    return _filled(ALL_SLOTS, tensors, {"1": 1, "D": width, "E": embed_dim, **sizes})


def needs_deep_graph(names: Iterable[str]) -> bool:
    """Return whether tensors of these names need a `deep` graph."""
    return not DEEP_SLOTS.keys().isdisjoint(names)


def graph_of(names: Iterable[str]) -> GraphKind:
    """Return the smallest graph that takes tensors of these names, or has inputs of them."""
    return "deep" if needs_deep_graph(names) else "head"


def slots_of(inputs: Iterable[str]) -> tuple[str, ...]:
    """Return the slots of a graph with these inputs; none where a pack is baked into it."""
    names = set(inputs)
    return () if names == {"images"} else tuple(SLOTS_OF[graph_of(names)])


def outputs_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the outputs of a graph among whose inputs and outputs are these names.

    A graph with slots has those of its kind; one with a pack baked in has heat maps where the pack
    makes them.
    """
    known = set(names)
    is_deep = needs_deep_graph(known) or (not known & set(HEAD_SLOTS) and "attention" in known)
    return OUTPUTS_OF["deep" if is_deep else "head"]


def reaches_inside(names: Iterable[str]) -> bool:
    """Return whether tensors of these names need more of the encoder than its features."""
    known = list(names)
    return needs_deep_graph(known) or changes_weights(known)


def _filled(
    table: Mapping[str, Slot], tensors: Mapping[str, NDArray[np.float32]], sizes: dict[str, int]
) -> dict[str, NDArray[np.float32]]:
    surplus = sorted(set(tensors) - set(table))
    if changes_weights(surplus):
        raise PackError(
            f"the pack changes weights of the encoder ({surplus[0]}), which no graph with slots"
            " can take: export it with --bake"
        )
    if surplus:
        raise PackError(f"the pack has tensors that no slot takes: {', '.join(surplus)}")
    _read_sizes(table, tensors, sizes)
    filled = {}
    for name, slot in table.items():
        shape = tuple(sizes.get(dim, 1) for dim in slot.dims)
        filled[name] = _tensor(name, slot, tensors.get(name), shape)
    return filled


def _read_sizes(
    table: Mapping[str, Slot], tensors: Mapping[str, NDArray[np.float32]], sizes: dict[str, int]
) -> None:
    """Learn the free dimensions from the pack's tensors; check that all agree."""
    for name, tensor in tensors.items():
        dims = table[name].dims
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
