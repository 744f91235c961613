"""An encoder with a pack's changes inside: a copy of its image tower, and a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.normed_adapter import is_mlp_ln_key, tower_with_mlp_ln
from edgeclip.adapters.placing import moved
from edgeclip.adapters.stages import is_stage_key, tower_with_stages
from edgeclip.adapters.tower_deltas import merged_tower
from edgeclip.contract.deltas import split_deltas
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import ConfigError, PackError
from edgeclip.tower_kinds import block_count
from edgeclip.towers import FrozenTower

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

Tensors = Mapping[str, NDArray[np.float32]]


def changed_tower(tower: FrozenTower, deltas: Mapping[str, Tensor]) -> FrozenTower:
    """Return a copy of a tower with `delta.` tensors inside; the tower itself stays as it is.

    Args:
        tower: Frozen.
        deltas: By `delta.` name, of every kind.

    Raises:
        PackError: The deltas are not of this tower.
    """
    deltas = moved(deltas, tower.projection.device)
    normed = {name: delta for name, delta in deltas.items() if is_mlp_ln_key(name)}
    deltas = {name: delta for name, delta in deltas.items() if name not in normed}
    if normed:
        return tower_with_mlp_ln(changed_tower(tower, deltas), normed)
    stages = {name: delta for name, delta in deltas.items() if is_stage_key(name)}
    weights = {name: delta for name, delta in deltas.items() if name not in stages}
    changed = merged_tower(tower, weights) if weights else tower
    if not stages:
        return changed
    try:
        return tower_with_stages(changed, stages)
    except ConfigError as error:
        raise PackError(f"{next(iter(stages))}: {error}") from error


def changed_encoder(
    backbone: Backbone, tensors: Tensors
) -> tuple[Backbone, dict[str, NDArray[np.float32]]]:
    """Return the encoder that a pack's slots are computed on, and these slots.

    A pack that changes no weights gets the encoder as it is. Features of a changed one are cached
    apart: its `base.weights_sha256` covers the changes.

    Args:
        backbone: The frozen encoder; it is not written to.
        tensors: A pack's.

    Raises:
        PackError: The changes are not of this encoder.
    """
    slots, deltas = split_deltas(tensors)
    if not deltas:
        return backbone, slots
    tower = changed_tower(
        backbone.tower, {name: torch.from_numpy(np.array(d)) for name, d in deltas.items()}
    )
    own = backbone.base.weights_sha256 + "".join(
        f" {name} {deltas[name].shape} {sha256_bytes(deltas[name].tobytes())}"
        for name in sorted(deltas)
    )
    facts = {"weights_sha256": sha256_bytes(own.encode()), "blocks": block_count(tower.visual)}
    base = backbone.base.model_copy(update=facts)
    return replace(backbone, base=base, tower=tower), slots
