"""Components as a pack stores them, and the tensors that they add up to; needs no torch.

Each has slots of its own and, where it changes the class matrix, what it added to the matrix before
it. A pack's tensors are always the sum that `compose` makes, so that a component can be taken away
or added without training the others again, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.deltas import changes_weights
from edgeclip.errors import PackError

FusionClass = Literal["F0", "F1", "F2"]
"""F0: no further node. F1: at most two products at the head. F2: operations inside blocks."""
PackFusion = Literal["F0", "F1", "F2", "bake-only"]

Tensors = Mapping[str, NDArray[np.float32]]
MATRIX = ("class_weights", "class_bias")
TAUGHT = "taught"
"""Kind of the part that holds all taught columns of a pack."""


@dataclass(frozen=True)
class Stored:
    """One component of a pack.

    Attributes:
        kind: Its name.
        fusion: What it costs on the device.
        slots: It binds, `MATRIX` excepted.
        moves: Of `MATRIX`, what it added; or empty.
    """

    kind: str
    fusion: FusionClass
    slots: Tensors
    moves: Tensors


def compose(start: Tensors, parts: Sequence[Stored]) -> dict[str, NDArray[np.float32]]:
    """Return the slots of a pack: the start's with every part's slots and moves.

    Args:
        start: class_weights, class_bias and logit_scale of the prompts.
        parts: In their order.

    Raises:
        PackError: Two parts are of one kind, bind one slot, or do not fit the class matrix.
    """
    slots = dict(start)
    for part in parts:
        if taken := sorted((set(part.slots) & set(slots)) - {"logit_scale"}):
            raise PackError(f"{part.kind} binds {taken[0]}, which another adapter has: choose one")
        slots |= part.slots
        for name, move in part.moves.items():
            if move.shape != slots[name].shape:
                raise PackError(
                    f"{part.kind} was made for a {name} of {move.shape}, not {slots[name].shape}:"
                    " the packs have other classes or prompts"
                )
            slots[name] = slots[name] + move
    kinds = [part.kind for part in parts]
    if len(set(kinds)) < len(kinds):
        raise PackError(f"two adapters of one kind in {', '.join(kinds)}: take one away")
    return slots


def pack_fusion(slots: Iterable[str], adapters: Iterable[FusionClass]) -> PackFusion:
    """Return what a pack costs on the device: the dearest of its adapters, earlier ones too.

    Args:
        slots: Names of its tensors; those that change weights need a graph of their own.
        adapters: Classes of its adapters.
    """
    if changes_weights(slots):
        return "bake-only"
    return max(adapters, default="F0")
