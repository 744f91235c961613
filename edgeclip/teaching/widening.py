"""A pack's tensors with one more column: all others keep their bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import MATRIX, TAUGHT, Stored, compose
from edgeclip.contract.slots import ALL_SLOTS
from edgeclip.teaching.ground import Ground

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Column:
    """One column of the class matrix, and of what else has a column a class.

    Attributes:
        text: `(E,)` float32, unit: what its prompts say; zeros where no words were read.
        weights: `(E,)` float32, of class_weights.
        bias: Of class_bias.
        mix: `(K,)` float32, shares of the ground's columns that it is made of: of what is neither
            weights nor bias, such as the values of a cache, it takes the same shares.
    """

    text: Floats
    weights: Floats
    bias: float
    mix: Floats


@dataclass(frozen=True)
class Widened:
    """A pack's adapters and tensors with a column more."""

    start: Mapping[str, Floats]
    parts: Sequence[Stored]
    tensors: dict[str, Floats]


def widened(ground: Ground, column: Column) -> Widened:
    """Return a ground with a column more, at the end.

    Args:
        ground: Of K columns.
        column: The new one.
    """
    start = {
        "class_weights": _beside(ground.start["class_weights"], column.text),
        "class_bias": _beside(ground.start["class_bias"], np.zeros((), np.float32)),
        "logit_scale": ground.start["logit_scale"],
    }
    moves = {
        "class_weights": np.asarray(column.weights - column.text, np.float32),
        "class_bias": np.asarray(column.bias, np.float32),
    }
    own = [part for part in ground.parts if part.kind == TAUGHT]
    parts = [_part(part, column, moves) for part in ground.parts]
    if not own:
        empty = {name: np.zeros_like(ground.start[name]) for name in MATRIX}
        parts.append(_part(Stored(TAUGHT, "F0", {}, empty), column, moves))
    kept = {n: ground.tensors[n] for n in ("temperature",) if n in ground.tensors}
    return Widened(start, parts, {**compose(start, parts), **kept})


def _part(part: Stored, column: Column, moves: Mapping[str, Floats]) -> Stored:
    slots = {
        name: _beside(slot, np.asarray(slot @ column.mix, np.float32))
        if _has_columns(name)
        else slot
        for name, slot in part.slots.items()
    }
    wide = {
        name: _beside(move, moves[name] if part.kind == TAUGHT else np.zeros_like(moves[name]))
        for name, move in part.moves.items()
    }
    return replace(part, slots=slots, moves=wide)


def _has_columns(name: str) -> bool:
    return name in ALL_SLOTS and "K" in ALL_SLOTS[name].dims


def _beside(tensor: Floats, column: Floats) -> Floats:
    """Return a tensor with one more entry in its last dimension."""
    return np.concatenate([tensor, column[..., None]], axis=-1).astype(np.float32)
