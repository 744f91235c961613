"""GELU in the order of nodes that ONNX Runtime and TensorRT make one kernel of."""

from __future__ import annotations

import math
from typing import Any

from onnxscript import opset18

op: Any = opset18  # its signatures do not know that a translation passes torch's values


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return the nodes of x / 2 (1 + erf(x / sqrt 2)), halved first so that no half overflows.

    The exporter's own order, x (1 / 2 (1 + erf)), is not known to ONNX Runtime, which then runs
    five kernels over the widest tensors of a block.

    Args:
        x: Of any shape.
        approximate: none, or tanh as in the larger towers of SigLIP.
    """
    half, one = _like(x, 0.5), _like(x, 1.0)
    said = op.Erf(op.Div(x, _like(x, 2.0**0.5))) if approximate == "none" else _tanh(x)
    return op.Mul(op.Mul(x, half), op.Add(said, one))


def _tanh(x: Any) -> Any:
    """Return the nodes of tanh(sqrt(2 / pi) (x + 0.044715 x^3)); a cube that overflows gives 1."""
    cube = op.Mul(op.Mul(op.Mul(x, x), x), _like(x, 0.044715))
    return op.Tanh(op.Mul(op.Add(x, cube), _like(x, (2 / math.pi) ** 0.5)))


def _like(x: Any, value: float) -> Any:
    return op.CastLike(op.Constant(value_float=value), x)
