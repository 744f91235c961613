from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeclip.errors import BackendError
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack, load_pack
from support.tiny_bundle import GRAPH_FILE, GREEN, RED, SIZE, solid


@pytest.fixture(scope="module")
def packs(bundle: Path) -> dict[str, LoadedPack]:
    """Both packs of the small bundle."""
    return {
        task: load_pack(InferenceSettings(bundle=bundle, task=task)) for task in ("leopard", "trio")
    }


@pytest.fixture
def backend(bundle: Path) -> OnnxRuntimeBackend:
    """The graph, with no pack bound."""
    return OnnxRuntimeBackend(bundle / GRAPH_FILE, threads=1)


def test_it_tells_red_from_green(backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]) -> None:
    backend.bind(packs["leopard"].slots)
    found = backend.run(np.concatenate([solid(RED), solid(GREEN)])).probabilities
    assert found.shape == (2, 2)
    assert found[0, 0] > 0.99
    assert found[1, 0] < 0.01


def test_batches_of_any_size_follow_each_other(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]
) -> None:
    backend.bind(packs["leopard"].slots)
    for count in (1, 4, 2, 1):
        outputs = backend.run(solid(RED, count))
        assert outputs.probabilities.shape == (count, 2)
        assert outputs.image_features.dtype == np.float32


def test_another_pack_is_bound_without_loading_the_graph_again(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]
) -> None:
    for task, columns in (("leopard", 2), ("trio", 3), ("leopard", 2)):
        backend.bind(packs[task].slots)
        assert backend.run(solid(RED, 2)).probabilities.shape == (2, columns)


def test_outputs_of_an_earlier_run_stay_as_they_were(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]
) -> None:
    backend.bind(packs["leopard"].slots)
    first = backend.run(solid(RED)).probabilities
    before = first.copy()
    backend.run(solid(GREEN))
    assert np.array_equal(first, before)


def test_without_a_pack_it_says_so(backend: OnnxRuntimeBackend) -> None:
    with pytest.raises(BackendError, match="no pack is bound"):
        backend.run(solid(RED))


def test_a_pack_that_lacks_a_slot_is_refused(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]
) -> None:
    slots = dict(packs["leopard"].slots)
    del slots["va_up"]
    with pytest.raises(BackendError, match="gives no va_up"):
        backend.bind(slots)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, SIZE + 1, SIZE, 3), np.uint8),
        np.zeros((1, 3, SIZE, SIZE), np.uint8),
        np.zeros((1, SIZE, SIZE, 3), np.float32),
    ],
)
def test_images_that_do_not_fit_are_an_error_that_names_the_batch(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack], images: np.ndarray
) -> None:
    backend.bind(packs["leopard"].slots)
    with pytest.raises(BackendError, match=r"failed on a batch \(1, "):
        backend.run(images)
    assert backend.run(solid(RED)).probabilities[0, 0] > 0.99


def test_a_slot_of_the_wrong_shape_is_an_error_and_another_pack_still_works(
    backend: OnnxRuntimeBackend, packs: dict[str, LoadedPack]
) -> None:
    slots = dict(packs["leopard"].slots)
    slots["class_weights"] = np.zeros((7, 2), np.float32)
    backend.bind(slots)
    with pytest.raises(BackendError, match="failed on a batch"):
        backend.run(solid(RED))
    backend.bind(packs["trio"].slots)
    assert backend.run(solid(RED)).probabilities.shape == (1, 3)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x08\x08" * 100])
def test_a_file_that_is_no_graph_says_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(BackendError, match=r"cannot load .*model\.onnx"):
        OnnxRuntimeBackend(tmp_path / "model.onnx", threads=1)


def test_a_graph_with_other_inputs_is_refused(bundle: Path, tmp_path: Path) -> None:
    model = onnx.load(bundle / GRAPH_FILE)
    model.graph.input[0].name = "pictures"
    model.graph.node[0].input[0] = "pictures"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(BackendError, match="other inputs or outputs"):
        OnnxRuntimeBackend(tmp_path / "model.onnx", threads=1)
