"""Checks of a graph before it is shipped: valid, the contract's interface, nothing unexpected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from edgeclip.contract.profiles import DIMENSION_NAMES
from edgeclip.contract.slots import OUTPUTS_OF, SLOTS_OF, graph_of
from edgeclip_export.checks import Check
from edgeclip_export.graph_rules import IR_VERSION, OPSET, Expected, node_histogram

_MOST_CASTS = 4  # of the pixels twice, of the image and its cells; one more where classes look
_CASTS_A_BLOCK = 2  # in and out of single precision, around a block's adapters
_CASTS_A_SOFTMAX = 3  # queries and keys into single precision, what their product gives out of it
MOST_NODES = 700  # of the usual twelve blocks; one that is taken apart has many more
_USUAL_BLOCKS = 12
_NODES_A_BLOCK = 50
_NODES_OF_ADAPTERS = 30  # inside one block
_OUTPUT_DIMS = {
    "image_features": "BE",
    "base_embedding": "BE",
    "logits": "BK",
    "probabilities": "BK",
    "patch_scores": "BNK",
    "attention": "BNK",
}
_UNWANTED = ("Attention", "If", "Loop", "Resize", "Scan", "Upsample")
"""TensorRT resizes without antialiasing; the rest hinders or breaks its fusions."""
_MOST_IN_VIT = {"Pow": 0, "ReduceMean": 1}  # the mean of a tower that pools by it
"""What a LayerNorm or an activation is taken apart into; a power overflows in half precision."""

_WORDS = {"LayerNormalization": "LayerNorms", "Softmax": "softmaxes"}

_Interface = list[tuple[str, int, tuple[object, ...]]]
"""Name, element type and shape of each input or output."""


def graph_checks(path: Path, expected: Expected) -> list[Check]:
    """Return the checks of one graph, as it lies there.

    Args:
        path: The graph's file, with the file of its weights beside it.
        expected: What it must look like.
    """
    model = onnx.load(path, load_external_data=False)
    return [
        _valid(path, model),
        _same_interface(model, expected),
        _first_cast(model),
        _operators(model, expected),
    ]


def _valid(path: Path, model: onnx.ModelProto) -> Check:
    """Run ONNX's own full check, with shape inference."""
    opset = model.opset_import[0].version
    note = f"opset {opset}, ir {model.ir_version}, {len(model.graph.node)} nodes"
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return Check("graph is valid ONNX", False, note=" ".join(str(error).split())[:200])
    fits = opset == OPSET and model.ir_version <= IR_VERSION and not model.functions
    return Check("graph is valid ONNX", fits, note=note)


def _same_interface(model: onnx.ModelProto, expected: Expected) -> Check:
    name = "inputs and outputs are the contract's"
    graph, size = model.graph, expected.size
    widths = {entry.name: entry for entry in graph.input}
    ports = {entry.name: entry for entry in graph.output}
    kind = graph_of(widths)
    slots = {} if expected.baked else SLOTS_OF[kind]
    outputs = expected.baked or OUTPUTS_OF[kind]
    if tuple(widths) != ("images", *slots) or tuple(ports) != outputs:
        return Check(name, False, note=f"found {', '.join([*widths, *ports])}")
    sizes = _sizes(widths, ports)
    wanted: _Interface = [("images", onnx.TensorProto.UINT8, (sizes["B"], size, size, 3))]
    letters = {name: slot.dims for name, slot in slots.items()}
    letters |= {output: tuple(_OUTPUT_DIMS[output]) for output in outputs}
    wanted += [
        (port, onnx.TensorProto.FLOAT, tuple(sizes[letter] for letter in dims))
        for port, dims in letters.items()
    ]
    found_ports = _interface([*graph.input, *graph.output])
    wrong = [port[0] for port in wanted if port not in found_ports]
    note = f"type or shape of {', '.join(wrong)}" if wrong else f"{len(widths)} inputs"
    return Check(name, not wrong, note=note)


def _sizes(
    inputs: Mapping[str, onnx.ValueInfoProto], outputs: Mapping[str, onnx.ValueInfoProto]
) -> dict[str, object]:
    """Return the sizes that inputs and outputs must agree on, by letter; names of free ones."""
    sizes: dict[str, object] = {"1": 1, **DIMENSION_NAMES, **_blocks_of(inputs)}
    sizes["N"] = _dims(outputs["patch_scores"])[1]  # cells, which the tower's grid fixes
    if "projection_delta" in inputs:
        sizes["D"], sizes["E"] = _dims(inputs["projection_delta"])
        return sizes
    for letter, output in (("E", "image_features"), ("K", "logits")):
        found = _dims(outputs[output])[-1]  # with a pack in it, no size but the batch is free
        sizes[letter] = found if isinstance(found, int) else "a fixed size"
    return sizes


def _blocks_of(inputs: Mapping[str, onnx.ValueInfoProto]) -> dict[str, object]:
    """Return how many blocks of the tower have slots, by letter; none in a `head` graph."""
    first = {"A": "ba_down", "X": "bx_qk"}
    return {key: _dims(inputs[slot])[0] for key, slot in first.items() if slot in inputs}


def _interface(ports: Sequence[onnx.ValueInfoProto]) -> _Interface:
    return [(port.name, port.type.tensor_type.elem_type, _dims(port)) for port in ports]


def _dims(port: onnx.ValueInfoProto) -> tuple[object, ...]:
    dims = port.type.tensor_type.shape.dim
    return tuple(dim.dim_param or dim.dim_value for dim in dims)


def _first_cast(model: onnx.ModelProto) -> Check:
    """TensorRT refuses to transpose bytes, and casts them wherever they are."""
    readers = {node.op_type for node in model.graph.node if "images" in node.input}
    note = f"read by {', '.join(sorted(readers))}"
    return Check("bytes are cast before anything else", readers <= {"Cast", "Shape"}, note=note)


def _operators(model: onnx.ModelProto, expected: Expected) -> Check:
    counts = node_histogram(model)
    most_of = dict.fromkeys(_UNWANTED, 0) | (_MOST_IN_VIT if expected.blocks else {})
    problems = [f"{counts[n]} {n}" for n, most in most_of.items() if counts.get(n, 0) > most]
    wanted = {"LayerNormalization": expected.layer_norms, "Softmax": expected.softmaxes}
    for name, count in wanted.items():
        found = counts.get(name, 0)
        if count is not None and found != count:
            problems.append(f"{found} of {count} {_WORDS[name]}")
    casts, most = _casts(model), _most_casts(model, expected)
    if casts > most:
        problems.append(f"{casts} Casts, at most {most}")
    most_nodes = MOST_NODES + _NODES_A_BLOCK * max(0, expected.blocks - _USUAL_BLOCKS)
    most_nodes += _NODES_OF_ADAPTERS * _adapted(model, expected)
    if expected.blocks and len(model.graph.node) > most_nodes:
        problems.append(f"{len(model.graph.node)} nodes, at most {most_nodes}")
    if not all(_statistics_in_single(node) for node in model.graph.node):
        problems.append("a LayerNorm with statistics in half precision")
    note = ", ".join(problems) or f"{expected.layer_norms} LayerNorms, {casts} Casts"
    return Check("operators are as expected", not problems, note=note)


def _casts(model: onnx.ModelProto) -> int:
    """Return how many Casts run with each frame; those of stored weights run once, at load."""
    stored = {tensor.name for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Cast"]
    return sum(node.input[0] not in stored for node in nodes)


def _most_casts(model: onnx.ModelProto, expected: Expected) -> int:
    looks = any(output.name == "attention" for output in model.graph.output)
    most = _MOST_CASTS + looks + _CASTS_A_BLOCK * _adapted(model, expected)
    if expected.rung == "fp16-attn32":
        most += _CASTS_A_SOFTMAX * sum(node.op_type == "Softmax" for node in model.graph.node)
    return most


def _adapted(model: onnx.ModelProto, expected: Expected) -> int:
    """Return how many blocks have adapters inside."""
    blocks = _blocks_of({entry.name: entry for entry in model.graph.input}).get("A", 0)
    return blocks if isinstance(blocks, int) and not expected.baked else expected.adapted


def _statistics_in_single(node: onnx.NodeProto) -> bool:
    """In half precision a LayerNorm's squares overflow; `stash_type` 1, the default, is FP32."""
    return node.op_type != "LayerNormalization" or all(
        entry.i == onnx.TensorProto.FLOAT for entry in node.attribute if entry.name == "stash_type"
    )
