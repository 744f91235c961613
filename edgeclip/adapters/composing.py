"""Trained components -> what a pack stores of them, and that -> components which do not learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgeclip.adapters.component import Component, Frozen, Head
from edgeclip.adapters.stored import MATRIX, Stored, Tensors


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
