"""Changes of the tower's own weights, kept apart from them and merged into a copy.

A pack of a method that no slot expresses stores its changes under `delta.` and a parameter's name
in the image tower:

    delta.NAME              added to the parameter
    delta.NAME.lora_a       A (p, r, in) and B (p, out, r): B_i A_i is added to the i-th of p equal
    delta.NAME.lora_b       groups of rows (q, k and v of `in_proj_weight`)
    delta.NAME.singular     ds (p, rank): U_i diag(ds_i) V_i^T is added to the i-th group of rows,
                            U S V^T being its singular value decomposition
    delta.NAME.wider        further hidden units of an MLP: rows of `c_fc`, columns of `c_proj`

The encoder is never written to: adding and subtracting in place drifts.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edgeclip.contract.deltas import DELTA_PREFIX
from edgeclip.errors import PackError
from edgeclip.towers import FrozenTower

PREFIX = DELTA_PREFIX
WIDER = ".wider"
_LORA_A, _LORA_B, _SINGULAR = ".lora_a", ".lora_b", ".singular"
_COLUMNS = ".c_proj.weight"


class SingularVectors:
    """U and V^T of frozen matrices, each decomposed once: that is what costs.

    Args:
        weights: Of the image tower, by name.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = weights
        self._known: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def of(self, name: str, groups: int) -> tuple[Tensor, Tensor]:
        """Return U `(p, out, rank)` and V^T `(p, rank, in)` of p groups of rows of a weight."""
        if (name, groups) not in self._known:
            with torch.inference_mode(False):  # they stand in gradients later
                matrices = self._weights[name].detach().clone().reshape(
                    groups, -1, self._weights[name].shape[-1]
                )  # fmt: skip
                left, _, right = torch.linalg.svd(matrices, full_matrices=False)
            self._known[name, groups] = left, right
        return self._known[name, groups]


def merged(
    weights: Mapping[str, Tensor],
    deltas: Mapping[str, Tensor],
    vectors: SingularVectors | None = None,
) -> dict[str, Tensor]:
    """Return the changed ones among the weights, with gradients to the deltas.

    Args:
        weights: Of the image tower, by name.
        deltas: By `delta.` name.
        vectors: Of the same weights, where they are known.

    Raises:
        PackError: A delta is of a parameter that is not there, or does not fit its shape.
    """
    changed: dict[str, Tensor] = {}
    vectors = vectors or SingularVectors(weights)
    for key, delta in deltas.items():
        name, kind = _parameter(key)
        weight = weights.get(name)
        if weight is None:
            raise PackError(f"{key}: the encoder has no parameter {name}: use the pack's encoder")
        if kind == WIDER:
            continue
        try:
            added = _added(weight, key, deltas, vectors)
            changed[name] = changed.get(name, weight) + added
        except (KeyError, RuntimeError) as error:
            raise PackError(
                f"{key} {tuple(delta.shape)} does not fit {name} {tuple(weight.shape)}: use the"
                " pack's encoder"
            ) from error
    return changed | _widened(weights, changed, deltas)


def _widened(
    weights: Mapping[str, Tensor], changed: Mapping[str, Tensor], deltas: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the matrices and biases that get further rows or columns, changed otherwise first."""
    found = {}
    for key, delta in deltas.items():
        name, kind = _parameter(key)
        if kind != WIDER:
            continue
        weight, axis = changed.get(name, weights[name]), 1 if name.endswith(_COLUMNS) else 0
        try:
            found[name] = torch.cat([weight, delta], dim=axis)
        except RuntimeError as error:
            raise PackError(
                f"{key} {tuple(delta.shape)} does not fit {name} {tuple(weight.shape)}: use the"
                " pack's encoder"
            ) from error
    return found


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
        own[name].data = weight.detach().clone()
        module = copied.visual.get_submodule(name.rpartition(".")[0])
        if isinstance(module, nn.Linear):  # an MLP may have become wider
            module.out_features, module.in_features = module.weight.shape
    return copied


def _parameter(key: str) -> tuple[str, str]:
    name = key.removeprefix(PREFIX)
    for kind in (_LORA_A, _LORA_B, _SINGULAR, WIDER):
        if name.endswith(kind):
            return name.removesuffix(kind), kind
    return name, ""


def _added(
    weight: Tensor, key: str, deltas: Mapping[str, Tensor], vectors: SingularVectors
) -> Tensor:
    """Return what a delta adds to a weight; both of a LoRA's pair are asked for the other."""
    (name, kind), delta = _parameter(key), deltas[key]
    if kind == _LORA_A:
        _ = deltas[PREFIX + name + _LORA_B]
        return torch.zeros(())
    if kind == _LORA_B:
        return (delta @ deltas[PREFIX + name + _LORA_A]).reshape(weight.shape)
    if kind == _SINGULAR:
        left, right = vectors.of(name, len(delta))
        _require(delta.shape == left.shape[::2])
        return ((left * delta[:, None]) @ right).reshape(weight.shape)
    _require(delta.shape == weight.shape)
    return delta


def _require(fits: bool) -> None:
    if not fits:
        raise RuntimeError("another shape")
