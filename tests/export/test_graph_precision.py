from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeclip.clip import Backbone
from edgeclip_export.exported_graph import ExportedGraph
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_precision import in_precision
from edgeclip_export.onnx_graph import export_graph

MATRIX = np.arange(6, dtype=np.float64).reshape(2, 3) / 7
FACTOR = 1 / 3
TYPES = {"fp16": TensorProto.FLOAT16, "fp32": TensorProto.FLOAT}
Precision = Literal["fp16", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("fp16", "fp32")


class _Held:
    def __init__(self, array: NDArray[np.generic]) -> None:
        self._array = array

    def numpy(self) -> NDArray[np.generic]:
        return self._array


def _graph(matrix: NDArray[np.float64] = MATRIX, *, ends_in_cast: bool = False) -> ExportedGraph:
    """uint8 x -> single -> double: x MATRIX FACTOR + OFFSET -> single y, and its negation."""
    constant = numpy_helper.from_array(np.array(FACTOR), "factor")
    last = "y" if ends_in_cast else "sum.fp32"
    nodes = [
        helper.make_node("Cast", ["x"], ["single"], "a", to=TensorProto.FLOAT),
        helper.make_node("Cast", ["single"], ["entered"], "b", to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["entered", "matrix"], ["product"], "c"),
        helper.make_node("Constant", [], ["third"], "d", value=constant),
        helper.make_node("Mul", ["product", "third"], ["scaled"], "e"),
        helper.make_node("Add", ["scaled", "offset"], ["sum"], "f"),
        helper.make_node("Cast", ["sum"], [last], "g", to=TensorProto.FLOAT),
    ]
    if not ends_in_cast:
        nodes.append(helper.make_node("Neg", [last], ["y"], "h"))
    doubles, singles = ["entered", "product", "third", "scaled", "sum"], ["single", "sum.fp32"]
    shapes: dict[str, list[int]] = {"third": []}
    told = [(name, TensorProto.DOUBLE) for name in doubles]
    told += [(name, TensorProto.FLOAT) for name in singles if name == "single" or last == name]
    value_info = [
        helper.make_tensor_value_info(
            name, kind, shapes.get(name, [1, 2 if name in ("single", "entered") else 3])
        )
        for name, kind in told
    ]
    ports = [
        helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]),
    ]
    tensors = [
        onnx.TensorProto(name="matrix", data_type=TensorProto.DOUBLE, dims=matrix.shape),
        numpy_helper.from_array(np.array([0.1, 1e300, -2.0]), "offset"),
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors, value_info=value_info)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return ExportedGraph(model, {"matrix": _Held(matrix)})


def _operators(graph: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in graph.graph.node]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_double_is_left_and_the_graph_is_sound(precision: Precision) -> None:
    model = in_precision(_graph(), precision).inlined()
    onnx.checker.check_model(model, full_check=True)
    types = [tensor.data_type for tensor in model.graph.initializer]
    types += [port.type.tensor_type.elem_type for port in model.graph.value_info]
    types += [a.t.data_type for node in model.graph.node for a in node.attribute]
    types += [a.i for node in model.graph.node for a in node.attribute if a.name == "to"]
    assert TensorProto.DOUBLE not in types
    assert TYPES[precision] in types


def test_casts_stay_in_half_precision_and_are_left_out_in_single() -> None:
    half, single = (in_precision(_graph(), precision).proto for precision in PRECISIONS)
    traced = _operators(_graph().proto)
    assert _operators(half) == traced
    assert _operators(single) == ["Cast", "MatMul", "Constant", "Mul", "Add", "Neg"]
    assert single.graph.node[1].input[0] == "single"
    assert {port.name for port in single.graph.value_info} == {
        "single", "product", "third", "scaled", "sum",
    }  # fmt: skip


def test_a_cast_that_gives_an_output_stays() -> None:
    single = in_precision(_graph(ends_in_cast=True), "fp32").inlined()
    onnx.checker.check_model(single, full_check=True)
    assert (_operators(single)[-1], single.graph.node[-1].output[0]) == ("Cast", "y")


def test_tensors_in_the_graph_and_beside_it_are_rounded_once_and_half_is_rounded_single() -> None:
    matrix = np.array([[1 + 2**-11 + 2**-30, 1 / 3, 1e6], [0.0, -1e-9, 2.0]])
    half, single = (in_precision(_graph(matrix), precision) for precision in PRECISIONS)
    np.testing.assert_array_equal(single.tensors["matrix"].numpy(), matrix.astype(np.float32))
    with np.errstate(over="ignore"):
        of_single = matrix.astype(np.float32).astype(np.float16)
    found = half.tensors["matrix"].numpy()
    np.testing.assert_array_equal(found, of_single)
    assert np.isinf(found[0, 2])
    offset = numpy_helper.to_array(half.proto.graph.initializer[1])
    np.testing.assert_array_equal(offset, np.array([0.1, np.inf, -2.0], np.float16))
    constant = numpy_helper.to_array(half.proto.graph.node[3].attribute[0].t)
    assert constant == np.float16(FACTOR)


def test_the_traced_graph_stays_as_it_was() -> None:
    graph = _graph()
    before = graph.proto.SerializeToString()
    in_precision(graph, "fp16")
    assert graph.proto.SerializeToString() == before
    assert graph.tensors["matrix"].numpy().dtype == np.float64


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_is_node_for_node_what_torch_traces_in_that_precision(
    precision: Precision, backbone: Backbone, request: pytest.FixtureRequest
) -> None:
    files = {"fp16": "tensorrt_graph", "fp32": "cpu_graph"}
    own = onnx.load(request.getfixturevalue(files[precision]), load_external_data=False)
    fused = FusedModel(backbone, precision).eval()
    traced = export_graph(fused, fused.size).proto
    stored = {tensor.name for tensor in own.graph.initializer}
    nodes = [n for n in own.graph.node if n.op_type != "Cast" or n.input[0] not in stored]
    assert [(n.op_type, list(n.attribute)) for n in nodes] == [
        (n.op_type, list(n.attribute)) for n in traced.graph.node
    ]
