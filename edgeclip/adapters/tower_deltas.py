"""Changes of the tower's own weights, kept apart from them and merged into a copy.

A pack of a method that no slot expresses stores its changes under `delta.` and a parameter's name
in the image tower:

    delta.NAME              added to the parameter
    delta.NAME.lora_a       A (p, r, in) and B (p, out, r): B_i A_i is added to the i-th of p equal
    delta.NAME.lora_b       groups of rows (q, k and v of `in_proj_weight`)
    delta.NAME.singular     ds (p, rank): U_i diag(ds_i) V_i^T is added to the i-th group of rows,
                            U S V^T being its singular value decomposition

The encoder is never written to: adding and subtracting in place drifts.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from edgeclip.contract.slots import DELTA_PREFIX
from edgeclip.errors import PackError
from edgeclip.towers import FrozenTower

PREFIX = DELTA_PREFIX
_LORA_A, _LORA_B, _SINGULAR = ".lora_a", ".lora_b", ".singular"


def merged(weights: Mapping[str, Tensor], deltas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the changed ones among the weights, with gradients to the deltas.

    Args:
        weights: Of the image tower, by name.
        deltas: By `delta.` name.

    Raises:
        PackError: A delta is of a parameter that is not there, or does not fit its shape.
    """
    changed: dict[str, Tensor] = {}
    for key, delta in deltas.items():
        name, kind = _parameter(key)
        if kind == _LORA_A:
            continue
        before = changed.get(name, weights.get(name))
        if before is None:
            raise PackError(f"{key}: the encoder has no parameter {name}: use the pack's encoder")
        try:
            changed[name] = before + _added(before, delta, deltas, name, kind)
        except (KeyError, RuntimeError) as error:
            raise PackError(
                f"{key} {tuple(delta.shape)} does not fit {name} {tuple(before.shape)}: use the"
                " pack's encoder"
            ) from error
    return changed


def merged_tower(tower: FrozenTower, deltas: Mapping[str, Tensor]) -> FrozenTower:
    """Return a copy of a tower with its weights changed; the tower itself stays as it is.

    Args:
        tower: Frozen.
        deltas: By `delta.` name.

    Raises:
        PackError: The deltas are not of this tower.
    """
    changed = merged(dict(tower.visual.named_parameters()), deltas)
    copied = copy.deepcopy(tower)
    own = dict(copied.visual.named_parameters())
    for name, weight in changed.items():
        own[name].data.copy_(weight.detach())
    return copied


def row_groups(weight: Tensor, groups: int) -> Tensor:
    """Return a matrix `(p out, in)` as `(p, out, in)`."""
    return weight.reshape(groups, -1, weight.shape[-1])


def singular_vectors(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Return U `(p, out, rank)` and V^T `(p, rank, in)` of `(p, out, in)` matrices."""
    left, _, right = torch.linalg.svd(groups, full_matrices=False)
    return left, right


def _parameter(key: str) -> tuple[str, str]:
    name = key.removeprefix(PREFIX)
    for kind in (_LORA_A, _LORA_B, _SINGULAR):
        if name.endswith(kind):
            return name.removesuffix(kind), kind
    return name, ""


def _added(
    before: Tensor, delta: Tensor, deltas: Mapping[str, Tensor], name: str, kind: str
) -> Tensor:
    if kind == _LORA_B:
        return (delta @ deltas[PREFIX + name + _LORA_A]).reshape(before.shape)
    if kind == _SINGULAR:
        left, right = singular_vectors(row_groups(before.detach(), len(delta)))
        return ((left * delta[:, None]) @ right).reshape(before.shape)
    if delta.shape != before.shape:
        raise RuntimeError("another shape")
    return delta
