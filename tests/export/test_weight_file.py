from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeclip_export.exported_graph import ExportedGraph
from edgeclip_export.graph_rules import node_histogram
from edgeclip_export.weight_file import WEIGHTS_FILE, WeightFile

MATRIX = np.arange(6000, dtype=np.float32).reshape(60, 100)
VECTOR = np.arange(100, dtype=np.float32)


def _graph() -> ExportedGraph:
    """x MATRIX + VECTOR, with its tensors apart."""
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "matrix"], ["product"], name="product"),
        onnx.helper.make_node("Add", ["product", "vector"], ["y"], name="sum"),
    ]
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
        for name, size in (("x", 60), ("y", 100))
    ]
    tensors = [
        onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=array.shape)
        for name, array in (("matrix", MATRIX), ("vector", VECTOR))
    ]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors)
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    return ExportedGraph(model, {"matrix": _Held(MATRIX), "vector": _Held(VECTOR)})


class _Held:
    def __init__(self, array: np.typing.NDArray[np.generic]) -> None:
        self._array = array

    def numpy(self) -> np.typing.NDArray[np.generic]:
        return self._array


def _values(path: Path) -> dict[str, np.typing.NDArray[np.generic]]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


def test_equal_tensors_share_a_place_that_begins_on_a_page(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w.bin") as file:
        first, second = file.add(VECTOR), file.add(MATRIX)
        assert file.add(MATRIX.copy()) == second
        assert file.add(VECTOR.astype(np.float16)) not in (first, second)
    assert (first.offset, first.length) == (0, VECTOR.nbytes)
    assert second.offset == 4096
    data = (tmp_path / "w.bin").read_bytes()
    assert data[second.offset :][: second.length] == MATRIX.tobytes()


def test_equal_bytes_of_another_type_are_another_tensor(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w.bin") as file:
        file.add(np.zeros(8, np.float32))
        assert not file.has(np.zeros(16, np.float16))


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"of another graph")
    with pytest.raises(FileExistsError):
        WeightFile(tmp_path / "w.bin")


def test_a_graph_reads_its_tensors_from_the_file(tmp_path: Path) -> None:
    with WeightFile(tmp_path / WEIGHTS_FILE) as file:
        onnx.save(_graph().stored(file), tmp_path / "g.onnx")
    np.testing.assert_array_equal(_values(tmp_path / "g.onnx")["matrix"], MATRIX)
    assert (tmp_path / "g.onnx").stat().st_size < 1000


def test_a_matrix_that_lies_there_in_half_is_shared_and_cast_back(tmp_path: Path) -> None:
    with WeightFile(tmp_path / WEIGHTS_FILE) as file:
        file.add(MATRIX.astype(np.float16))
        model = _graph().stored_in_half(file)
    onnx.save(model, tmp_path / "g.onnx")
    onnx.checker.check_model(str(tmp_path / "g.onnx"), full_check=True)
    assert node_histogram(model) == {"Add": 1, "Cast": 1, "MatMul": 1}
    values = _values(tmp_path / "g.onnx")
    assert {name: value.dtype.name for name, value in values.items()} == {
        "matrix": "float16",
        "vector": "float32",
    }
    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 2 * MATRIX.nbytes


def test_a_matrix_that_no_other_graph_has_in_half_stays_as_it_is(tmp_path: Path) -> None:
    with WeightFile(tmp_path / WEIGHTS_FILE) as file:
        model = _graph().stored_in_half(file)
    assert node_histogram(model) == {"Add": 1, "MatMul": 1}


def test_placing_tensors_leaves_the_graph_itself_without_them(tmp_path: Path) -> None:
    graph = _graph()
    before = graph.proto.SerializeToString()
    graph.inlined()
    with WeightFile(tmp_path / WEIGHTS_FILE) as file:
        graph.stored(file)
    assert graph.proto.SerializeToString() == before
