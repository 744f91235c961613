"""Components as a pack stores them: put together, taken apart, and put together again.

Each has slots of its own and, where it changes the class matrix, what it added to the matrix before
it. A pack's tensors are always the sum that `compose` makes, so that a component can be taken away
or added without training the others again, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.component import Component, Frozen, FusionClass, Head
from edgeclip.errors import PackError

Tensors = Mapping[str, NDArray[np.float32]]
MATRIX = ("class_weights", "class_bias")


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


def stored_parts(parts: Sequence[Component], start: Head, share: float) -> list[Stored]:
    """Return components as a pack stores them.

    Args:
        parts: In the order in which they change the class matrix.
        start: The class matrix before them.
        share: Of what was learned; at 0 only those of an earlier training remain.
    """
    stored, before = [], start
    with torch.no_grad():
        for part in parts:
            if share == 0 and not isinstance(part, Frozen):
                continue
            after = part.head(before, share)
            slots = {name: _array(slot) for name, slot in part.slots(share).items()}
            stored.append(Stored(part.kind, part.fusion, slots, _moves(part, before, after)))
            before = after
    return stored


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


def frozen_parts(parts: Sequence[Stored]) -> list[Frozen]:
    """Return stored components as parts of a new model, which do not learn any more."""
    return [
        Frozen(part.kind, _tensors(part.slots), _tensors(part.moves), part.fusion) for part in parts
    ]


def _moves(part: Component, before: Head, after: Head) -> dict[str, NDArray[np.float32]]:
    if isinstance(part, Frozen):
        return {name: _array(move) for name, move in part.moves.items()}
    pairs = zip(MATRIX, before, after, strict=True)
    return {name: _array(new - old) for name, old, new in pairs if new is not old}


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.array(tensor.detach().numpy(), np.float32, order="C")


def _tensors(arrays: Tensors) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
