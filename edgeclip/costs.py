"""What a pack adds to the encoder on the device: multiplications and additions a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgeclip.adapters.normed_adapter import is_mlp_ln_key
from edgeclip.adapters.tower_deltas import WIDER
from edgeclip.contract.deltas import DELTA_PREFIX
from edgeclip.contract.slots import HEAD_SLOTS

_AT_THE_START = {"class_weights", "class_bias", "logit_scale", "temperature"}


def filled_beyond_zero_shot(slots: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Return the slots that zero-shot does not have."""
    return tuple(name for name in slots if name not in _AT_THE_START)


def added_macs(
    slots: Mapping[str, Sequence[int]],
    *,
    tokens: int = 1,
    places: Mapping[str, int] | None = None,
) -> int:
    """Return the multiplications with additions of one frame, the class matrix excepted.

    Every slot with two or more dimensions is the right side of one product: at the head for one
    vector, in a block for each token, behind a stage for each place. Three dimensions are the
    blocks times such a product. What is merged into the encoder's own weights adds nothing.

    Args:
        slots: Name -> shape, of a pack.
        tokens: N of the encoder.
        places: H W of each stage's output, of a ResNet.
    """
    return sum(
        math.prod(slots[name]) * _times(name, tokens, places or {})
        for name in filled_beyond_zero_shot(slots)
        if len(slots[name]) >= 2 and not name.endswith("_bias")
    )


def _times(name: str, tokens: int, places: Mapping[str, int]) -> int:
    """Return how often a frame is multiplied with a slot."""
    if name in HEAD_SLOTS:
        return 1
    if not name.startswith(DELTA_PREFIX):
        return tokens
    if name.endswith(WIDER):
        return tokens
    if is_mlp_ln_key(name):
        return 1
    return places.get(name.removeprefix(DELTA_PREFIX).split(".")[0], 0)
