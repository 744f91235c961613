"""Starts from which nothing would ever be learned, and why they are refused."""

from __future__ import annotations


def refuse_dead_start(
    *, zero_up: bool, zero_gate: bool = False, trailing_relu: bool = False
) -> None:
    """Check that a residual branch which starts at zero can leave it.

    With two factors at zero each one's gradient is a product with the other: zero. A ReLU behind a
    zero projection has slope zero at zero. Both were measured to stay exactly zero for ever.

    Args:
        zero_up: The up-projection starts at zero.
        zero_gate: The gate or scale of the branch starts at zero.
        trailing_relu: A ReLU follows the up-projection.

    Raises:
        ValueError: The branch could not learn.
    """
    if zero_up and trailing_relu:
        raise ValueError(
            "a ReLU behind a zero up-projection has no gradient: leave the last activation out"
        )
    if zero_up and zero_gate:
        raise ValueError(
            "a zero gate times a zero up-projection has no gradient: start the gate above 0"
        )
