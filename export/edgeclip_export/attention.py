"""Attention as few nodes, and its scores in single precision where half precision overflows."""

from __future__ import annotations

from typing import Any

import onnx
from onnxscript import opset18

from edgeclip_export.nodes import cast_node, replace_nodes

op: Any = opset18  # its signatures do not know that a translation passes torch's values
_SCORE_OPERATORS = ("Add", "Div", "Mul", "Sub")
"""What may stand between the product of queries and keys and its softmax."""


def attention(  # noqa: PLR0913  # torch's own signature
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return the nodes of softmax(q k^T scale) v, the root of the scale on q and on k.

    Neither is large in half precision then before they meet. The exporter's own way finds the shape
    of the keys at run time, with eight nodes a block more.

    Args:
        query: `(B, heads, N, d)`, like `key` and `value`.
        key: See there.
        value: See there.
        attn_mask: None.
        dropout_p: 0.
        is_causal: False.
        scale: None is 1 / sqrt(d).
        enable_gqa: False.

    Raises:
        ValueError: The attention has what no image tower's has.
    """
    if attn_mask is not None or is_causal or enable_gqa or dropout_p:
        raise ValueError("an image tower's attention has neither mask nor groups")
    root = (scale or float(query.shape[-1]) ** -0.5) ** 0.5
    factor = op.CastLike(op.Constant(value_float=root), query)
    rank = len(key.shape)
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = op.MatMul(op.Mul(query, factor), op.Mul(turned, factor))
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def with_single_precision_scores(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a half precision graph whose attention scores and softmaxes are in single precision.

    Scores overflow in half precision first, where queries and keys are long. The tower's weights
    are the same, so both graphs share one weight file.

    Args:
        graph: Stays as it is.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    _Islands(changed.graph).make()
    return changed


class _Islands:
    """The parts of a graph that become single precision: a softmax and what makes its scores."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        ports = [*graph.value_info, *graph.input, *graph.output]
        self._ports = {port.name: port.type.tensor_type for port in ports}
        self._types = {name: port.elem_type for name, port in self._ports.items()}
        self._types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}

    def make(self) -> None:
        """Change the graph."""
        softmaxes = [
            node
            for node in self._graph.node
            if node.op_type == "Softmax" and self._is_half(node.input[0])
        ]
        ends = {node.output[0] for node in softmaxes}
        members = {name for node in softmaxes for name in self._island(node)}
        nodes: list[onnx.NodeProto] = []
        for node in self._graph.node:
            name = node.output[0]
            nodes += self._entered(node) if name in members else []
            nodes.append(node)
            nodes += [self._left(node)] if name in ends else []
        replace_nodes(self._graph, nodes)

    def _is_half(self, name: str) -> bool:
        return self._types.get(name) == onnx.TensorProto.FLOAT16

    def _island(self, softmax: onnx.NodeProto) -> list[str]:
        """Return what the softmax and all nodes back to the product of queries and keys give."""
        island = [softmax]
        for node in island:  # grows while it is walked
            if node.op_type != "MatMul":
                makers = [self._makers[name] for name in node.input if name in self._makers]
                island += [n for n in makers if n.op_type in (*_SCORE_OPERATORS, "MatMul")]
        return [node.output[0] for node in island]

    def _entered(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the casts that a member needs before it; what members give is single already."""
        casts = []
        for index, name in enumerate(node.input):
            if self._is_half(name):
                node.input[index] = f"{name}.fp32"
                if node.input[index] not in self._types:
                    casts.append(cast_node(name, node.input[index], onnx.TensorProto.FLOAT))
                    self._types[node.input[index]] = onnx.TensorProto.FLOAT
        self._set_type(node.output[0], onnx.TensorProto.FLOAT)
        return casts

    def _left(self, softmax: onnx.NodeProto) -> onnx.NodeProto:
        """Return the cast after a softmax, which takes over its name."""
        name = softmax.output[0]
        softmax.output[0] = f"{name}.fp32"
        self._set_type(name, onnx.TensorProto.FLOAT16)
        return cast_node(softmax.output[0], name, onnx.TensorProto.FLOAT16)

    def _set_type(self, name: str, to: int) -> None:
        self._types[name] = to
        if name in self._ports:
            self._ports[name].elem_type = to
