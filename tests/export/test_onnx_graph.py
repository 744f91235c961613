from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from edgeclip.clip import Backbone
from edgeclip.contract.slots import HEAD_OUTPUTS, HEAD_SLOTS
from edgeclip.errors import ConfigError
from edgeclip_export.exported_graph import ExportedGraph
from edgeclip_export.fuse import FusedModel
from edgeclip_export.graph_precision import in_precision
from edgeclip_export.graph_rules import node_histogram
from edgeclip_export.onnx_graph import export_graph
from edgeclip_export.weight_file import WeightFile
from support.tiny_packs import EMBED_DIM, LAYERS, SIZE, WIDTH

PATCH = 8
TOKENS = (SIZE // PATCH) ** 2 + 1
NAMES = {
    "B": "batch",
    "K": "columns",
    "M": "prompts",
    "H": "hidden",
    "d": "attention",
    "C": "entries",
    "D": WIDTH,
    "E": EMBED_DIM,
    "1": 1,
}


@pytest.fixture(scope="module", params=["cpu_graph", "tensorrt_graph", "attn32_graph"])
def graph(request: pytest.FixtureRequest) -> onnx.ModelProto:
    path: Path = request.getfixturevalue(request.param)
    return onnx.load(path)


def _shapes(ports: object) -> dict[str, tuple[object, ...]]:
    assert isinstance(ports, list)
    return {
        port.name: tuple(d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim)
        for port in ports
    }


def test_inputs_are_frames_and_every_slot_in_order_with_named_dimensions(
    graph: onnx.ModelProto,
) -> None:
    slots = {name: tuple(NAMES[d] for d in slot.dims) for name, slot in HEAD_SLOTS.items()}
    found = _shapes(list(graph.graph.input))
    assert found == {"images": ("batch", SIZE, SIZE, 3), **slots}
    assert list(found) == ["images", *HEAD_SLOTS]


def test_outputs_are_the_contracts_in_single_precision(graph: onnx.ModelProto) -> None:
    shapes: list[tuple[object, ...]] = [("batch", EMBED_DIM)] * 2 + [("batch", "columns")] * 2
    shapes.append(("batch", (SIZE // PATCH) ** 2, "columns"))
    assert _shapes(list(graph.graph.output)) == dict(zip(HEAD_OUTPUTS, shapes, strict=True))
    types = {port.type.tensor_type.elem_type for port in graph.graph.output}
    assert types == {onnx.TensorProto.FLOAT}


def test_frames_go_in_as_bytes_and_slots_in_single_precision(graph: onnx.ModelProto) -> None:
    types = [port.type.tensor_type.elem_type for port in graph.graph.input]
    assert types == [onnx.TensorProto.UINT8, *[onnx.TensorProto.FLOAT] * len(HEAD_SLOTS)]


def test_versions_are_those_that_the_oldest_parser_reads(graph: onnx.ModelProto) -> None:
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 18)]
    assert graph.ir_version <= 10
    assert not graph.functions


def test_layer_norms_and_softmaxes_are_one_node_each_and_nothing_resizes(
    graph: onnx.ModelProto,
) -> None:
    counts = node_histogram(graph)
    assert counts["LayerNormalization"] == 2 * LAYERS + 3  # the last one of the cells, too
    assert counts["Softmax"] == LAYERS + 2
    assert not {"Resize", "If", "Loop", "Scan", "Pow", "ReduceMean", "Attention"} & set(counts)


@pytest.mark.parametrize(
    ("name", "casts"), [("cpu_graph", 1), ("tensorrt_graph", 4), ("attn32_graph", 4 + 3 * LAYERS)]
)
def test_few_casts_run_with_each_frame(
    name: str, casts: int, request: pytest.FixtureRequest
) -> None:
    graph = onnx.load(request.getfixturevalue(name)).graph
    stored = {tensor.name for tensor in graph.initializer}
    found = [node for node in graph.node if node.op_type == "Cast"]
    assert sum(node.input[0] not in stored for node in found) == casts


def test_nodes_are_named_by_module_and_operator(graph: onnx.ModelProto) -> None:
    names = [node.name for node in graph.graph.node]
    assert len(set(names)) == len(names)
    block = "visual.transformer.resblocks.1"
    assert {f"{block}.attn/Softmax", f"{block}.ln_1/LayerNormalization"} <= set(names)
    assert {f"{block}.mlp.c_fc/MatMul", "head/Softmax"} <= set(names)


def test_bytes_are_cast_and_scaled_before_they_are_transposed(graph: onnx.ModelProto) -> None:
    reader = {name: node for node in reversed(graph.graph.node) for name in node.input}
    cast = next(n for n in graph.graph.node if n.op_type == "Cast" and n.input[0] == "images")
    chain = [cast]
    for _ in range(3):
        chain.append(reader[chain[-1].output[0]])
    assert [node.op_type for node in chain] == ["Cast", "Mul", "Add", "Transpose"]


def test_debugging_text_of_the_exporter_is_stripped(graph: onnx.ModelProto) -> None:
    parts = [graph, graph.graph, *graph.graph.node, *graph.graph.input, *graph.graph.value_info]
    assert [part for part in parts if part.metadata_props or part.doc_string] == []
    assert b"site-packages" not in graph.SerializeToString()


def test_every_matrix_has_its_layers_name(graph: onnx.ModelProto) -> None:
    matrices = {tensor.name for tensor in graph.graph.initializer if len(tensor.dims) > 1}
    expected = {
        f"visual.transformer.resblocks.{layer}.{part}"
        for layer in range(LAYERS)
        for part in (*_attention(layer), "mlp.c_fc.weight_t", "mlp.c_proj.weight_t")
    }
    assert expected | {"visual.class_embedding"} <= matrices
    assert not [name for name in matrices if name.startswith(("val_", "view"))]


def _attention(layer: int) -> tuple[str, ...]:
    """Of the last block, the class token alone asks."""
    if layer == LAYERS - 1:
        return "attn.query.weight_t", "attn.key_value.weight_t"
    return ("attn.weight_t",)


def test_gelu_is_one_kernel_of_onnx_runtime(cpu_graph: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(cpu_graph), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx", load_external_data=False)
    operators = [node.op_type for node in optimised.graph.node]
    assert operators.count("BiasGelu") == LAYERS
    assert "Erf" not in operators


def test_the_last_block_computes_its_class_token_alone(graph: onnx.ModelProto) -> None:
    shaped = onnx.shape_inference.infer_shapes(graph).graph
    shapes = {value.name: value.type.tensor_type.shape for value in shaped.value_info}
    hidden = [node.output[0] for node in shaped.node if node.name.endswith("mlp.c_fc/MatMul")]
    tokens = [shapes[name].dim[1].dim_value for name in hidden]
    assert tokens == [*[TOKENS] * (LAYERS - 1), 1]


@pytest.mark.parametrize("name", ["tensorrt_graph", "attn32_graph"])
def test_half_precision_ends_at_the_projection(name: str, request: pytest.FixtureRequest) -> None:
    model = onnx.load(request.getfixturevalue(name))
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert types["projection"] == onnx.TensorProto.FLOAT
    assert types["visual.conv1.weight"] == onnx.TensorProto.FLOAT16
    assert types["pixel_scale"] == onnx.TensorProto.FLOAT


def test_weights_are_the_encoders_its_matrices_in_half_precision(
    cpu_graph: Path, backbone: Backbone
) -> None:
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(cpu_graph).graph.initializer}
    np.testing.assert_array_equal(weights["projection"], backbone.tower.projection.numpy())
    name = "visual.transformer.resblocks.1.mlp.c_fc"
    linear = backbone.tower.visual.transformer.resblocks[1].mlp.c_fc
    half = linear.weight.detach().half().numpy()
    np.testing.assert_array_equal(weights[f"{name}.weight_t"], half.T)
    np.testing.assert_array_equal(weights[f"{name}.bias"], linear.bias.detach().numpy())


@pytest.fixture(scope="module")
def half(backbone: Backbone) -> ExportedGraph:
    """The half precision graph, exported once more."""
    return in_precision(export_graph(FusedModel(backbone, "fp64").eval(), SIZE), "fp16")


def test_exporting_again_gives_the_same_bytes(
    tensorrt_graph: Path, half: ExportedGraph, tmp_path: Path
) -> None:
    name = tensorrt_graph.parent / "weights.fp16.bin"
    with WeightFile(tmp_path / name.name) as weights:
        graph = half.stored(weights)
    assert graph.SerializeToString() == tensorrt_graph.read_bytes()
    assert name.read_bytes().startswith((tmp_path / name.name).read_bytes())


def test_a_graph_with_its_weights_inside_is_the_same_graph(
    tensorrt_graph: Path, half: ExportedGraph
) -> None:
    inside = half.inlined()
    beside = onnx.load(tensorrt_graph)
    assert list(inside.graph.node) == list(beside.graph.node)
    for ours, theirs in zip(inside.graph.initializer, beside.graph.initializer, strict=True):
        assert ours.name == theirs.name
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs))


class _DataDependent(torch.nn.Module):
    """Branches on a pixel, which no graph can."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = pixels.flatten(1)[:, :WIDTH]
        return features if bool(pixels[0, 0, 0, 0] > 0) else -features


def test_an_encoder_that_torch_cannot_trace_is_a_one_line_error(backbone: Backbone) -> None:
    fused = FusedModel(backbone, "fp32").eval()
    fused.visual = _DataDependent()
    with pytest.raises(ConfigError, match="torch cannot turn this encoder into a graph") as caught:
        export_graph(fused, SIZE)
    assert "\n" not in str(caught.value)
