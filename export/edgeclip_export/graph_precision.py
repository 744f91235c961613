"""The graph of a rung of precision, made of the one graph that torch traced in double precision.

Tracing takes most of an export's time, and a graph in another precision is the same graph. Double
precision stands for the rung's own: it is found nowhere else in a graph, so it marks what changes
its type, and what the exporter folds ahead of time is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from edgeclip_export.exported_graph import ExportedGraph, Values
from edgeclip_export.nodes import replace_nodes

_TYPES = {"fp16": TensorProto.FLOAT16, "fp32": TensorProto.FLOAT}


def in_precision(traced: ExportedGraph, precision: Literal["fp16", "fp32"]) -> ExportedGraph:
    """Return a graph that computes in a rung's precision what a traced one does in double.

    Casts between the rung's precision and itself are left out.

    Args:
        traced: Of a tower in double precision; it is not changed.
        precision: The rung's.
    """
    proto, to = onnx.ModelProto(), _TYPES[precision]
    proto.CopyFrom(traced.proto)
    graph = proto.graph
    for port in (*graph.input, *graph.output, *graph.value_info):
        if port.type.tensor_type.elem_type == TensorProto.DOUBLE:
            port.type.tensor_type.elem_type = to
    tensors = dict(traced.tensors)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.DOUBLE and tensor.name in tensors:
            tensors[tensor.name] = _Rounded(tensors[tensor.name], to)
            tensor.data_type = to
        else:
            _round(tensor, to)
    for node in graph.node:
        for attribute in node.attribute:
            _round(attribute.t, to)
            if node.op_type == "Cast" and attribute.i == TensorProto.DOUBLE:
                attribute.i = to
    _leave_out_casts(graph)
    return ExportedGraph(proto, tensors)


@dataclass(frozen=True)
class _Rounded:
    """A tensor in a rung's precision, made of one in double precision when it is asked for."""

    double: Values
    to: int

    def numpy(self) -> NDArray[np.generic]:
        return _rounded(self.double.numpy(), self.to)


def _rounded(array: NDArray[np.generic], to: int) -> NDArray[np.generic]:
    """Return values in half precision as those of single precision are rounded: both are shared."""
    with np.errstate(over="ignore"):  # infinite, as torch makes it
        single = array.astype(np.float32)
        return single if to == TensorProto.FLOAT else single.astype(np.float16)


def _round(tensor: onnx.TensorProto, to: int) -> None:
    """Round a tensor whose values stand in the graph, if it is in double precision."""
    if tensor.data_type == TensorProto.DOUBLE:
        values = _rounded(numpy_helper.to_array(tensor), to)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _leave_out_casts(graph: onnx.GraphProto) -> None:
    """Take out the casts of a value to the type that it has; an output keeps its name."""
    types = {port.name: port.type.tensor_type.elem_type for port in graph.value_info}
    types |= {port.name: port.type.tensor_type.elem_type for port in graph.input}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    outputs = {port.name for port in graph.output}
    same: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = same.get(name, name)
        source, target = node.input[:1], node.output[0]
        is_cast = node.op_type == "Cast" and target not in outputs
        if is_cast and types.get(source[0]) == node.attribute[0].i:
            same[target] = source[0]
        else:
            kept.append(node)
    replace_nodes(graph, kept)
    told = [port for port in graph.value_info if port.name not in same]
    del graph.value_info[:]
    graph.value_info.extend(told)
