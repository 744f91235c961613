"""What a pack adds to the encoder on the device: multiplications and additions a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeclip.contract.slots import HEAD_SLOTS

_AT_THE_START = {"class_weights", "class_bias", "logit_scale", "temperature"}


def filled_beyond_zero_shot(slots: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Return the slots that zero-shot does not have."""
    return tuple(name for name in slots if name not in _AT_THE_START)


def added_macs(slots: Mapping[str, Sequence[int]], *, tokens: int = 1) -> int:
    """Return the multiplications with additions of one frame, the class matrix excepted.

    Every slot with two or more dimensions is the right side of one product: at the head for one
    vector, in a block for each token. Three dimensions are the blocks times such a product.

    Args:
        slots: Name -> shape, of a pack.
        tokens: N of the encoder.
    """
    total = 0
    for name in filled_beyond_zero_shot(slots):
        shape = slots[name]
        if len(shape) >= 2:
            size = 1
            for length in shape:
                size *= length
            biases = name.endswith("_bias")
            total += 0 if biases else size * (1 if name in HEAD_SLOTS else tokens)
    return total
