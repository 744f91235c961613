"""Fused module -> ONNX graph with the contract's inputs and outputs, readable names, no ballast."""

from __future__ import annotations

import ast
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor

from edgeclip.contract.profiles import DIMENSION_NAMES
from edgeclip.contract.slots import (
    OUTPUTS_OF,
    SLOTS_OF,
    GraphKind,
    adapted_blocks,
    cross_modal_blocks,
)
from edgeclip.errors import ConfigError
from edgeclip_export.fuse import FusedModel

OPSET = 18  # the parser of TensorRT 10.3 takes 9 to 20; from 17 on a LayerNorm is one node
IR_VERSION = 10  # the newest that ONNX Runtime 1.18 reads
MOST_PARAMETERS = 450_000_000  # a protobuf holds 2 GB; weights of their own file come later
_SCOPES = "pkg.torch.onnx.name_scopes"


def inputs_of(graph: GraphKind) -> tuple[str, ...]:
    """Return the names of a graph's inputs, in their order."""
    return ("images", *SLOTS_OF[graph])


def export_graph(
    model: FusedModel, size: int, *, most_parameters: int = MOST_PARAMETERS
) -> onnx.ModelProto:
    """Return the ONNX graph of a fused module, with its weights inside.

    Args:
        model: Encoder and head.
        size: Side of the encoder's input, px.
        most_parameters: That one file holds.

    Raises:
        ConfigError: The encoder is too large for one file, or torch cannot export it.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > most_parameters:
        raise ConfigError(
            f"the encoder has {parameters:,} parameters, one file holds {most_parameters:,}:"
            " choose a smaller --backbone"
        )
    try:
        with torch.no_grad(), quiet_exporter():
            program = torch.onnx.export(
                model,
                _example(model, size),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs_of(model.graph)),
                output_names=list(OUTPUTS_OF[model.graph]),
                dynamic_shapes=_dynamic_shapes(model.graph),
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"torch cannot turn this encoder into a graph ({reason}): choose another --backbone"
        ) from error
    if program is None:  # only with the older exporter; the signature allows it
        raise ConfigError("torch gave no graph: choose another --backbone")
    return _tidied(program.model_proto)


def node_histogram(model: onnx.ModelProto) -> dict[str, int]:
    """Return how many nodes of each operator a graph has, in alphabetical order."""
    operators = [node.op_type for node in model.graph.node]
    return {name: operators.count(name) for name in sorted(set(operators))}


def _example(model: FusedModel, size: int) -> tuple[Tensor, ...]:
    """Return inputs whose free sizes all differ and exceed 1, which torch would take as fixed."""
    width, embed_dim = model.projection.shape
    blocks = {"A": adapted_blocks(model.blocks), "X": cross_modal_blocks(model.blocks)}
    free = {"H": 5, "d": 3, "M": 4, "K": 6, "C": 7, "h": 8, "T": 9}
    sizes = {"1": 1, "D": width, "E": embed_dim} | blocks | free
    images = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    table = SLOTS_OF[model.graph].values()
    slots = [torch.ones([sizes[letter] for letter in slot.dims]) for slot in table]
    return images, *slots


def _dynamic_shapes(graph: GraphKind) -> tuple[object, ...]:
    free = {letter: torch.export.Dim(name, min=1) for letter, name in DIMENSION_NAMES.items()}
    slots = tuple(
        {axis: free[letter] for axis, letter in enumerate(slot.dims) if letter in free}
        for slot in SLOTS_OF[graph].values()
    )
    return {0: free["B"]}, slots


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name the weights after their layers, then strip what only a debugger of torch reads."""
    _name_weights(model.graph)
    graph = model.graph
    parts = [model, graph, *graph.node, *graph.initializer]
    parts += [*graph.input, *graph.output, *graph.value_info]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.name = "edgeclip"
    model.producer_name = "edgeclip"
    model.ClearField("producer_version")  # stands in the manifest; here it would change the hash
    return model


def _name_weights(graph: onnx.GraphProto) -> None:
    """Give a transposed weight, which the exporter leaves anonymous, its layer's name."""
    taken = {tensor.name for tensor in graph.initializer}
    anonymous = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) > 1}
    renamed: dict[str, str] = {}
    for node in graph.node:
        old = node.input[1] if node.op_type == "MatMul" else ""
        name = f"{_layer(node)}.weight_t"
        if old.startswith("val_") and old in anonymous and old not in renamed and name not in taken:
            renamed[old] = anonymous[old].name = name
            taken.add(name)
    for node in graph.node:
        for index, old in enumerate(node.input):
            node.input[index] = renamed.get(old, old)


def _layer(node: onnx.NodeProto) -> str:
    """Return the module that a node was traced in, for example `visual.ln_post`."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            scopes: list[str] = ast.literal_eval(entry.value)
            return scopes[-2] if len(scopes) > 1 else ""
    return ""


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Hold back what torch's exporter warns and logs about its own insides; errors are raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
