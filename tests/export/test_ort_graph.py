from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeclip.clip import Backbone
from edgeclip.contract.slots import filled_slots
from edgeclip.errors import BackendError, SetupError
from edgeclip_export.differences import compare
from edgeclip_export.ort_graph import OrtGraph, load_onnxruntime
from edgeclip_export.parity import other_slots, torch_outputs
from support.tiny_packs import EMBED_DIM, SIZE, WIDTH, random_tensors


def _images(count: int) -> np.typing.NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_any_number_of_frames_equals_torch(cpu_graph: Path, backbone: Backbone, count: int) -> None:
    slots = other_slots(WIDTH, EMBED_DIM)
    found = OrtGraph(cpu_graph).run(_images(count), slots)
    assert found["probabilities"].shape == (count, slots["class_weights"].shape[1])
    assert compare(torch_outputs(backbone, _images(count), slots), found).logits < 1e-4


@pytest.mark.parametrize(("columns", "hidden"), [(2, 1), (5, 17), (64, 256)])
def test_packs_of_other_sizes_run_through_the_same_graph(
    cpu_graph: Path, backbone: Backbone, columns: int, hidden: int
) -> None:
    names = ("va_down", "va_up", "va_ratio", "xm_q", "xm_k", "xm_v", "xm_ratio")
    tensors = random_tensors(columns, columns=columns, hidden=hidden, names=names)
    slots = filled_slots(tensors, width=WIDTH, embed_dim=EMBED_DIM)
    found = OrtGraph(cpu_graph).run(_images(3), slots)
    difference = compare(torch_outputs(backbone, _images(3), slots), found)
    assert difference.one_minus_cosine < 1e-6
    assert difference.probabilities < 1e-3  # its weights are stored in half precision


def test_without_onnxruntime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what a failed import looks like
    with pytest.raises(SetupError, match=r"pip install 'edgeclip\[cpu\]'"):
        load_onnxruntime()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x0a" * 500])
def test_a_file_that_is_no_graph_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.cpu.onnx"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"cannot load .*model\.cpu\.onnx"):
        OrtGraph(path)


def test_a_missing_graph_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot load"):
        OrtGraph(tmp_path / "absent.onnx")


def test_frames_of_another_size_are_refused_with_their_shape(cpu_graph: Path) -> None:
    frames = np.zeros((1, SIZE // 2, SIZE, 3), np.uint8)
    with pytest.raises(BackendError, match=r"on 1 images of \(16, 32, 3\)"):
        OrtGraph(cpu_graph).run(frames, other_slots(WIDTH, EMBED_DIM))


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path) -> None:
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [port], [result])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "g.onnx")
    with pytest.raises(BackendError, match="cannot run"):
        OrtGraph(tmp_path / "g.onnx").run(_images(1), other_slots(WIDTH, EMBED_DIM))
