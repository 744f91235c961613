from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgeclip.clip import Backbone
from edgeclip.contract.slots import GRAPH_OUTPUTS
from edgeclip_export.attention import attention, with_single_precision_scores
from edgeclip_export.differences import compare
from edgeclip_export.parity import neutral_slots, other_slots, torch_outputs
from support.tiny_packs import EMBED_DIM, LAYERS, SIZE, WIDTH

HALF, SINGLE = TensorProto.FLOAT16, TensorProto.FLOAT
TOKENS, KEYS = 3, 4


def _scores(*between: onnx.NodeProto, width: int = KEYS) -> onnx.ModelProto:
    """A product of queries and keys, what is given, and a softmax, all in half precision."""
    last = between[-1].output[0] if between else "scores"
    nodes = [
        helper.make_node("MatMul", ["queries", "keys"], ["scores"]),
        *between,
        helper.make_node("Softmax", [last], ["attention"]),
    ]
    ports = [("queries", [TOKENS, width]), ("keys", [width, TOKENS])]
    inputs = [helper.make_tensor_value_info(name, HALF, shape) for name, shape in ports]
    outputs = [helper.make_tensor_value_info("attention", HALF, [TOKENS, TOKENS])]
    told = [
        helper.make_tensor_value_info(node.output[0], HALF, [TOKENS, TOKENS]) for node in nodes[:-1]
    ]
    bias = numpy_helper.from_array(np.eye(TOKENS, dtype=np.float16), "bias")
    graph = helper.make_graph(nodes, "scores", inputs, outputs, [bias], value_info=told)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _run(
    model: onnx.ModelProto, queries: NDArray[np.float16], keys: NDArray[np.float16]
) -> NDArray[np.float16]:
    onnx.checker.check_model(model, full_check=True)
    (found,) = ReferenceEvaluator(model).run(None, {"queries": queries, "keys": keys})
    return np.asarray(found, np.float16)


def test_scores_beyond_half_precision_stay_numbers_in_an_island() -> None:
    queries = np.full((TOKENS, KEYS), 300, np.float16)
    keys = np.full((KEYS, TOKENS), 300, np.float16)
    island = with_single_precision_scores(_scores())
    np.testing.assert_allclose(_run(island, queries, keys), np.full((3, 3), 1 / 3), atol=1e-3)
    with np.errstate(all="ignore"):
        assert np.isnan(_run(_scores(), queries, keys)).all()


def test_what_stands_between_product_and_softmax_is_inside_the_island() -> None:
    scaled = helper.make_node("Mul", ["scores", "bias"], ["scaled"])
    shifted = helper.make_node("Add", ["scaled", "bias"], ["shifted"])
    island = with_single_precision_scores(_scores(scaled, shifted))
    operators = [node.op_type for node in island.graph.node]
    assert operators == ["Cast", "Cast", "MatMul", "Cast", "Mul", "Add", "Softmax", "Cast"]
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(TOKENS, KEYS)).astype(np.float16)
    keys = rng.normal(size=(KEYS, TOKENS)).astype(np.float16)
    half = _run(_scores(scaled, shifted), queries, keys)
    np.testing.assert_allclose(_run(island, queries, keys), half, atol=2e-3)


def test_the_graph_that_is_given_stays_as_it_is() -> None:
    graph = _scores()
    before = graph.SerializeToString()
    assert with_single_precision_scores(graph) != graph
    assert graph.SerializeToString() == before


def test_a_graph_of_single_precision_has_nothing_to_change(cpu_graph: Path) -> None:
    model = onnx.load(cpu_graph)
    assert with_single_precision_scores(model) == model


def test_only_the_scores_of_the_tower_leave_half_precision(attn32_graph: Path) -> None:
    model = onnx.load(attn32_graph)
    types = {port.name: port.type.tensor_type.elem_type for port in model.graph.value_info}
    softmaxes = [n for n in model.graph.node if n.op_type == "Softmax" and ".attn/" in n.name]
    assert [types[node.input[0]] for node in softmaxes] == [SINGLE] * LAYERS
    readers = {name: node for node in model.graph.node for name in node.input}
    for softmax in softmaxes:
        cast = readers[softmax.output[0]]
        assert (cast.op_type, types[cast.output[0]]) == ("Cast", HALF)


@pytest.mark.parametrize("name", ["tensorrt_graph", "attn32_graph"])
def test_half_precision_graphs_compute_what_torch_does(
    name: str, request: pytest.FixtureRequest, backbone: Backbone
) -> None:
    slots = neutral_slots(other_slots(WIDTH, EMBED_DIM))
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    graph = ReferenceEvaluator(onnx.load(request.getfixturevalue(name)))
    outputs = graph.run(list(GRAPH_OUTPUTS), {"images": images, **slots})
    found = dict(zip(GRAPH_OUTPUTS, outputs, strict=True))
    difference = compare(torch_outputs(backbone, images, slots), found)
    assert difference.is_finite
    assert difference.one_minus_cosine < 1e-4


def test_an_attention_with_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="neither mask nor groups"):
        attention(None, None, None, attn_mask="mask")
