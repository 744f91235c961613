from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgeclip_export.checks import Check
from edgeclip_export.graph_checks import graph_checks
from support.tiny_packs import LAYERS, SIZE

LAYER_NORMS = 2 * LAYERS + 2


def _checks(model: onnx.ModelProto, layer_norms: int = LAYER_NORMS) -> list[Check]:
    return graph_checks(model, size=SIZE, layer_norms=layer_norms)


def test_the_exported_graphs_pass(cpu_graph: Path, tensorrt_graph: Path) -> None:
    for path in (cpu_graph, tensorrt_graph):
        assert [check.line() for check in _checks(onnx.load(path)) if not check.passed] == []


def _rename_an_input(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = "beta_2" if name == "beta" else name
    next(port for port in model.graph.input if port.name == "beta").name = "beta_2"


def _drop_a_node(model: onnx.ModelProto) -> None:
    del model.graph.node[5]


def _fix_the_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def _name_a_dimension_otherwise(model: onnx.ModelProto) -> None:
    model.graph.output[2].type.tensor_type.shape.dim[1].dim_param = "classes"


def _resize(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Resize", ["x", "", "s"], ["y"], name="resize"))


def _cast_often(model: onnx.ModelProto) -> None:
    for index in range(4):
        node = helper.make_node("Cast", ["images"], [f"c{index}"], to=TensorProto.FLOAT)
        model.graph.node.append(node)


def _half_statistics(model: onnx.ModelProto) -> None:
    norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
    kept = [entry for entry in norm.attribute if entry.name != "stash_type"]
    del norm.attribute[:]
    norm.attribute.extend([*kept, helper.make_attribute("stash_type", TensorProto.FLOAT16)])


def _newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 21


@pytest.mark.parametrize(
    ("change", "name", "note"),
    [
        (_drop_a_node, "graph is valid ONNX", ""),
        (_newer_opset, "graph is valid ONNX", "opset 21"),
        (_rename_an_input, "inputs and outputs are the contract's", "beta_2"),
        (_fix_the_batch, "inputs and outputs are the contract's", "images"),
        (_name_a_dimension_otherwise, "inputs and outputs are the contract's", "logits"),
        (_resize, "operators are as expected", "1 Resize"),
        (_cast_often, "operators are as expected", "Casts, at most 4"),
        (_half_statistics, "operators are as expected", "statistics in half precision"),
    ],
)
def test_a_graph_that_is_not_as_it_must_be_fails_its_check(
    change: Callable[[onnx.ModelProto], None], name: str, note: str, cpu_graph: Path
) -> None:
    model = onnx.load(cpu_graph)
    change(model)
    failed = {check.name: check.note for check in _checks(model) if not check.passed}
    assert note in failed[name]


def test_a_layer_norm_taken_apart_is_missed(cpu_graph: Path) -> None:
    operators = _checks(onnx.load(cpu_graph), LAYER_NORMS + 1)[2]
    assert not operators.passed
    assert operators.note == f"{LAYER_NORMS} of {LAYER_NORMS + 1} LayerNorms"
