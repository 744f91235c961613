"""Classes that were taught where no words could be read, and what becomes of them where they can.

A bundle has no text encoder. `edgeclip teach --bundle` leaves the class's column of the start at
zeros, which no words give, and the whole column in the part `taught`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.stored import TAUGHT, Stored, Tensors
from edgeclip.contract.pack import PackManifest

if TYPE_CHECKING:
    from edgeclip.clip import Backbone


def wordless_columns(start: Tensors) -> list[int]:
    """Return the columns of a class matrix whose words were not read.

    Args:
        start: Of a pack's parts.
    """
    empty = ~np.any(start["class_weights"], axis=0)
    return [int(column) for column in np.flatnonzero(empty)]


def wordless_classes(start: Tensors, manifest: PackManifest) -> list[str]:
    """Return the classes whose words were not read."""
    return [manifest.class_names[manifest.column_class[k]] for k in wordless_columns(start)]


def worded(
    start: Tensors, parts: Sequence[Stored], manifest: PackManifest, backbone: Backbone
) -> list[Stored]:
    """Return a pack's parts as they are on a start whose words have all been read.

    What the words say of a class is taken out of the part `taught`, so that together they are what
    was taught, but for rounding.

    Args:
        start: As the pack has it.
        parts: Of the pack.
        manifest: Of the pack.
        backbone: Reads the words.
    """
    missing = wordless_columns(start)
    if not missing:
        return list(parts)
    columns = [each for own in (manifest.prompt_columns or {}).values() for each in own]
    said = backbone.embed_prompts([columns[k] for k in missing]).numpy()
    return [_without(part, missing, said) if part.kind == TAUGHT else part for part in parts]


def _without(part: Stored, columns: list[int], said: NDArray[np.float32]) -> Stored:
    weights = np.array(part.moves["class_weights"], np.float32)
    weights[:, columns] -= said.T
    return replace(part, moves={**part.moves, "class_weights": weights})
