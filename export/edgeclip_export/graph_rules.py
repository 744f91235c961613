"""What every graph is like: its versions, its inputs, how many nodes of what it has."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from edgeclip.contract.bundle import Rung
from edgeclip.contract.slots import SLOTS_OF, GraphKind

OPSET = 18  # the parser of TensorRT 10.3 takes 9 to 20; from 17 on a LayerNorm is one node
IR_VERSION = 10  # the newest that ONNX Runtime 1.18 reads


@dataclass(frozen=True)
class Expected:
    """What a graph must look like.

    Attributes:
        size: Side of the input, px.
        rung: What it computes in.
        layer_norms: How many it has: each stays one node.
        softmaxes: How many it has; None for towers whose inside is not known.
        blocks: L of the tower; 0 for towers whose blocks are not known.
        baked: Outputs of a graph with a pack in it, whose only input is `images`; empty for a graph
            with slots.
        adapted: Of such a graph: how many blocks have an adapter.
    """

    size: int
    rung: Rung
    layer_norms: int
    softmaxes: int | None
    blocks: int
    baked: tuple[str, ...] = ()
    adapted: int = 0


def inputs_of(graph: GraphKind) -> tuple[str, ...]:
    """Return the names of a graph's inputs, in their order."""
    return ("images", *SLOTS_OF[graph])


def node_histogram(model: onnx.ModelProto) -> dict[str, int]:
    """Return how many nodes of each operator a graph has, in alphabetical order."""
    operators = [node.op_type for node in model.graph.node]
    return {name: operators.count(name) for name in sorted(set(operators))}
