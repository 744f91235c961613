"""Names in a graph that a person can read: weights by their layer, nodes by module and operator."""

from __future__ import annotations

import ast
from collections import Counter

import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"


def name_weights(graph: onnx.GraphProto) -> dict[str, str]:
    """Give weights that the exporter left anonymous their layer's name.

    It transposes a weight ahead of time, and forgets its name over it.

    Args:
        graph: As the exporter made it, with its metadata.

    Returns:
        Old names to new ones.
    """
    taken = {tensor.name for tensor in graph.initializer}
    anonymous = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) > 1}
    renamed: dict[str, str] = {}
    for node in graph.node:
        for old in node.input:
            name = f"{_layer(node)}.{_role(node, old)}"
            if old in anonymous and old.startswith(("val_", "view")) and name not in taken:
                renamed[old] = anonymous.pop(old).name = name
                taken.add(name)
    for node in graph.node:
        for index, old in enumerate(node.input):
            node.input[index] = renamed.get(old, old)
    return renamed


def _role(node: onnx.NodeProto, name: str) -> str:
    """Return what a tensor is to the node that reads it."""
    if node.op_type == "MatMul" and name == node.input[1]:
        return "weight_t"
    return "class_embedding" if node.op_type == "Expand" else "constant"


def name_nodes(graph: onnx.GraphProto) -> None:
    """Name each node by the module that it was traced in and its operator.

    Args:
        graph: As the exporter made it, with its metadata.
    """
    counts: Counter[str] = Counter()
    for node in graph.node:
        name = f"{_layer(node) or 'edgeclip'}/{node.op_type}"
        counts[name] += 1
        node.name = name if counts[name] == 1 else f"{name}_{counts[name]}"


def _layer(node: onnx.NodeProto) -> str:
    """Return the module that a node was traced in, for example `visual.ln_post`."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            scopes: list[str] = ast.literal_eval(entry.value)
            return scopes[-2] if len(scopes) > 1 else ""
    return ""
