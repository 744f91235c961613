"""Fused module -> ONNX graph with the contract's inputs and outputs, readable names, no ballast."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from onnxscript import ir
from torch import Tensor

from edgeclip.contract.profiles import DIMENSION_NAMES
from edgeclip.contract.slots import Slot, adapted_blocks, cross_modal_blocks
from edgeclip.errors import ConfigError
from edgeclip_export.attention import attention
from edgeclip_export.exported_graph import LEAST_BYTES, ExportedGraph
from edgeclip_export.fuse import FusedModel
from edgeclip_export.gelu import gelu
from edgeclip_export.graph_names import name_nodes, name_weights
from edgeclip_export.graph_rules import OPSET

TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.scaled_dot_product_attention.default: attention,
    torch.ops.aten.gelu.default: gelu,
}
"""Operators of torch whose nodes are not the exporter's own."""


def export_graph(model: FusedModel, size: int) -> ExportedGraph:
    """Return the ONNX graph of a fused module.

    Args:
        model: Encoder and head.
        size: Side of the encoder's input, px.

    Raises:
        ConfigError: torch cannot export the encoder.
    """
    try:
        with torch.no_grad(), quiet_exporter():
            program = torch.onnx.export(
                model,
                _example(model, size),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images", *model.slots],
                output_names=list(model.outputs),
                dynamic_shapes=_dynamic_shapes(model.slots),
                custom_translation_table=TRANSLATIONS,
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
    return _taken_apart(program.model)


def _example(model: FusedModel, size: int) -> tuple[Tensor, ...]:
    """Return inputs whose free sizes all differ and exceed 1, which torch would take as fixed."""
    width, embed_dim = model.projection.shape
    blocks = {"A": adapted_blocks(model.blocks), "X": cross_modal_blocks(model.blocks)}
    free = {"H": 5, "d": 3, "M": 4, "K": 6, "C": 7, "h": 8, "T": 9}
    sizes = {"1": 1, "D": width, "E": embed_dim} | blocks | free
    images = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    slots = [torch.ones([sizes[letter] for letter in s.dims]) for s in model.slots.values()]
    return images, *slots


def _dynamic_shapes(table: Mapping[str, Slot]) -> tuple[object, ...]:
    free = {letter: torch.export.Dim(name, min=1) for letter, name in DIMENSION_NAMES.items()}
    slots = tuple(
        {axis: free[letter] for axis, letter in enumerate(slot.dims) if letter in free}
        for slot in table.values()
    )
    images = {0: free["B"]}
    return (images, slots) if slots else (images,)


def _taken_apart(program: Any) -> ExportedGraph:
    """Return the graph and its large tensors, which still are torch's: nothing is copied."""
    tensors = {}
    for name, value in program.graph.initializers.items():
        tensor = value.const_value
        if tensor.nbytes >= LEAST_BYTES:
            tensors[name] = tensor
            value.const_value = ir.ExternalTensor(
                "", 0, tensor.nbytes, tensor.dtype, shape=tensor.shape, name=name
            )
    proto: onnx.ModelProto = ir.to_proto(program)
    renamed = name_weights(proto.graph)
    name_nodes(proto.graph)
    _strip(proto)
    return ExportedGraph(proto, {renamed.get(name, name): tensors[name] for name in tensors})


def _strip(model: onnx.ModelProto) -> None:
    """Take out what only a debugger of torch reads: a megabyte of text."""
    graph = model.graph
    parts = [model, graph, *graph.node, *graph.initializer]
    parts += [*graph.input, *graph.output, *graph.value_info]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    initializers = {tensor.name for tensor in graph.initializer}
    told = [port for port in graph.value_info if port.name not in initializers]
    del graph.value_info[:]  # an initializer says itself of what type and shape it is
    graph.value_info.extend(told)
    graph.name = "edgeclip"
    model.producer_name = "edgeclip"
    model.ClearField("producer_version")  # stands in the manifest; here it would change the hash


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
