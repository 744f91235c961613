"""GELU in the order of nodes that ONNX Runtime and TensorRT make one kernel of."""

from __future__ import annotations

from typing import Any

from onnxscript import opset18

op: Any = opset18  # its signatures do not know that a translation passes torch's values


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return the nodes of x / 2 (1 + erf(x / sqrt 2)), halved first so that no half overflows.

    The exporter's own order, x (1 / 2 (1 + erf)), is not known to ONNX Runtime, which then runs
    five kernels over the widest tensors of a block.

    Args:
        x: Of any shape.
        approximate: none.

    Raises:
        ValueError: It is to be approximated, as no image tower's is.
    """
    if approximate != "none":
        raise ValueError(f"an image tower's GELU is exact, found {approximate}")
    half, one, root = (
        op.CastLike(op.Constant(value_float=value), x) for value in (0.5, 1.0, 2.0**0.5)
    )
    return op.Mul(op.Mul(x, half), op.Add(op.Erf(op.Div(x, root)), one))
