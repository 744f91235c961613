"""Nodes of an ONNX graph: a cast, and another list of them."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def cast_node(source: str, target: str, to: int) -> onnx.NodeProto:
    """Return a Cast of a value.

    Args:
        source: What it reads.
        target: What it gives.
        to: Element type, of `onnx.TensorProto`.
    """
    return onnx.helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=to)


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Give a graph other nodes, some of which may be its own.

    Args:
        graph: Is changed.
        nodes: In an order in which each value is given before it is read.
    """
    copies = []
    for node in nodes:
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)
