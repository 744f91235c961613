from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgeclip.contract.bundle import Rung
from edgeclip_export.graph_checks import graph_checks
from edgeclip_export.graph_rules import Expected
from support.tiny_packs import LAYERS, SIZE

EXPECTED = Expected(
    size=SIZE,
    rung="fp32",
    layer_norms=2 * LAYERS + 3,  # the last one of the cells, too
    softmaxes=LAYERS + 2,
    blocks=LAYERS,
)


def test_the_exported_graphs_pass(
    cpu_graph: Path, tensorrt_graph: Path, attn32_graph: Path
) -> None:
    rungs: dict[Rung, Path] = {
        "fp32": cpu_graph,
        "fp16": tensorrt_graph,
        "fp16-attn32": attn32_graph,
    }
    for rung, path in rungs.items():
        checks = graph_checks(path, replace(EXPECTED, rung=rung))
        assert [check.line() for check in checks if not check.passed] == []


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


def _transpose_bytes(model: onnx.ModelProto) -> None:
    node = helper.make_node("Transpose", ["images"], ["turned"], perm=[0, 3, 1, 2])
    model.graph.node.append(node)


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Frobnicate", ["images"], ["y"]))


def _square_by_power(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Pow", ["alpha", "beta"], ["power"]))


def _many_nodes(model: onnx.ModelProto) -> None:
    for index in range(700):
        model.graph.node.append(helper.make_node("Neg", ["alpha"], [f"n{index}"]))


def _newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 21


@pytest.mark.parametrize(
    ("change", "name", "note"),
    [
        (_drop_a_node, "graph is valid ONNX", ""),
        (_newer_opset, "graph is valid ONNX", "opset 21"),
        (_unknown_operator, "graph is valid ONNX", "Frobnicate"),
        (_transpose_bytes, "bytes are cast before anything else", "read by Cast, Shape, Transpose"),
        (_square_by_power, "operators are as expected", "1 Pow"),
        (_many_nodes, "operators are as expected", "nodes, at most 700"),
        (_rename_an_input, "inputs and outputs are the contract's", "beta_2"),
        (_fix_the_batch, "inputs and outputs are the contract's", "images"),
        (_name_a_dimension_otherwise, "inputs and outputs are the contract's", "logits"),
        (_resize, "operators are as expected", "1 Resize"),
        (_cast_often, "operators are as expected", "Casts, at most 4"),
        (_half_statistics, "operators are as expected", "statistics in half precision"),
    ],
)
def test_a_graph_that_is_not_as_it_must_be_fails_its_check(
    change: Callable[[onnx.ModelProto], None], name: str, note: str, cpu_graph: Path, tmp_path: Path
) -> None:
    model = onnx.load(cpu_graph)
    change(model)
    onnx.save(model, tmp_path / "model.onnx")
    checks = graph_checks(tmp_path / "model.onnx", EXPECTED)
    failed = {check.name: check.note for check in checks if not check.passed}
    assert note in failed[name]


@pytest.mark.parametrize(
    ("expected", "note"),
    [
        (replace(EXPECTED, layer_norms=8), f"{EXPECTED.layer_norms} of 8 LayerNorms"),
        (replace(EXPECTED, softmaxes=9), f"{EXPECTED.softmaxes} of 9 softmaxes"),
    ],
)
def test_a_norm_or_softmax_taken_apart_is_missed(
    expected: Expected, note: str, cpu_graph: Path
) -> None:
    operators = graph_checks(cpu_graph, expected)[-1]
    assert not operators.passed
    assert operators.note == note


def test_an_island_in_single_precision_counts_as_casts_of_another_rung(
    attn32_graph: Path,
) -> None:
    wrong = graph_checks(attn32_graph, replace(EXPECTED, rung="fp16"))[-1]
    assert wrong.note == "10 Casts, at most 4"
