from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edgeclip.clip import Backbone
from edgeclip.contract.slots import GRAPH_OUTPUTS, HEAD_SLOTS
from edgeclip.errors import ConfigError
from edgeclip_export.fuse import FusedModel
from edgeclip_export.onnx_graph import export_graph, node_histogram
from support.tiny_packs import EMBED_DIM, LAYERS, SIZE, WIDTH

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


@pytest.fixture(scope="module", params=["cpu_graph", "tensorrt_graph"])
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
    shapes = [("batch", EMBED_DIM)] * 2 + [("batch", "columns")] * 2
    assert _shapes(list(graph.graph.output)) == dict(zip(GRAPH_OUTPUTS, shapes, strict=True))
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
    assert counts["LayerNormalization"] == 2 * LAYERS + 2
    assert counts["Softmax"] == LAYERS + 2
    assert counts["Cast"] <= 3
    assert not {"Resize", "If", "Loop", "Scan", "ReduceMean", "Attention"} & set(counts)


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
    matrices = {tensor.name for tensor in graph.graph.initializer if len(tensor.dims) == 2}
    expected = {
        f"visual.transformer.resblocks.{layer}.{part}"
        for layer in range(LAYERS)
        for part in ("attn.weight_t", "mlp.c_fc.weight_t", "mlp.c_proj.weight_t")
    }
    assert expected <= matrices
    assert not [name for name in matrices if name.startswith("val_")]


def test_half_precision_ends_at_the_projection(tensorrt_graph: Path) -> None:
    model = onnx.load(tensorrt_graph)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert types["projection"] == onnx.TensorProto.FLOAT
    assert types["visual.conv1.weight"] == onnx.TensorProto.FLOAT16
    assert types["pixel_scale"] == onnx.TensorProto.FLOAT


def test_weights_are_the_encoders(cpu_graph: Path, backbone: Backbone) -> None:
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(cpu_graph).graph.initializer}
    np.testing.assert_array_equal(weights["projection"], backbone.tower.projection.numpy())
    name = "visual.transformer.resblocks.1.mlp.c_fc.weight_t"
    stored = backbone.tower.visual.transformer.resblocks[1].mlp.c_fc.weight
    np.testing.assert_array_equal(weights[name], stored.detach().numpy().T)


def test_exporting_again_gives_the_same_bytes(cpu_graph: Path, backbone: Backbone) -> None:
    again = export_graph(FusedModel(backbone, "fp32").eval(), SIZE)
    assert again.SerializeToString() == onnx.load(cpu_graph).SerializeToString()


def test_an_encoder_too_large_for_one_file_is_refused(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="one file holds 1,000: choose a smaller --backbone"):
        export_graph(FusedModel(backbone, "fp32").eval(), SIZE, most_parameters=1000)


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
