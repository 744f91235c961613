from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.gpu import Gpu
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, SetupError
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend, this_machine
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import Slots, load_pack
from support.cuda_stand_in import FakeDriver, memory
from support.tensorrt_stand_in import ENGINE, MOST_IMAGES, StandIn
from support.tiny_bundle import GRAPH_FILE, GREEN, RED, solid

BOTH = np.concatenate([solid(RED), solid(GREEN)])


@pytest.fixture
def stand_in(bundle: Path) -> StandIn:
    """TensorRT, as far as it is stood in for."""
    return StandIn(bundle / GRAPH_FILE)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine file that the stand-in loads."""
    path = tmp_path / "a.engine"
    path.write_bytes(ENGINE)
    return path


def _slots(bundle: Path, task: str = "leopard") -> Slots:
    return load_pack(InferenceSettings(bundle=bundle, task=task)).slots


def _backend(engine: Path, stand_in: StandIn, driver: FakeDriver | None = None) -> TensorRtBackend:
    api = TensorRtApi(stand_in.module)
    return TensorRtBackend(engine, "fp16", api=api, memory=memory(driver))


def test_it_computes_what_onnx_runtime_does(bundle: Path, engine: Path, stand_in: StandIn) -> None:
    backend, other = _backend(engine, stand_in), OnnxRuntimeBackend(bundle / GRAPH_FILE, 1)
    for candidate in (backend, other):
        candidate.bind(_slots(bundle))
    ours, theirs = backend.run(BOTH), other.run(BOTH)
    assert np.array_equal(ours.probabilities, theirs.probabilities)
    assert np.array_equal(ours.image_features, theirs.image_features)
    assert ours.patch_scores is not None
    assert theirs.patch_scores is not None
    assert np.array_equal(ours.patch_scores, theirs.patch_scores)
    assert (backend.name, backend.precision) == ("tensorrt", "fp16")


def test_batches_and_packs_follow_each_other_in_the_same_buffers(
    bundle: Path, engine: Path, stand_in: StandIn
) -> None:
    driver = FakeDriver()
    backend = _backend(engine, stand_in, driver)
    for task, columns in (("leopard", 2), ("trio", 3), ("leopard", 2)):
        backend.bind(_slots(bundle, task))
        for count in (1, 2, 1):
            assert backend.run(solid(RED, count)).probabilities.shape == (count, columns)
    buffers, pinned = list(driver.buffers), list(driver.pinned)
    backend.bind(_slots(bundle, "trio"))
    backend.run(BOTH)
    assert (list(driver.buffers), list(driver.pinned)) == (buffers, pinned)


def test_the_results_of_one_run_are_not_those_of_the_next(
    bundle: Path, engine: Path, stand_in: StandIn
) -> None:
    backend = _backend(engine, stand_in)
    backend.bind(_slots(bundle))
    first = backend.run(solid(RED)).probabilities
    assert backend.run(solid(GREEN)).probabilities[0, 0] < 0.01 < 0.99 < first[0, 0]


def test_a_batch_above_the_profile_is_refused_by_name(
    bundle: Path, engine: Path, stand_in: StandIn
) -> None:
    backend = _backend(engine, stand_in)
    backend.bind(_slots(bundle))
    with pytest.raises(BackendError, match=r"images \(3, .* larger than the engine's profile"):
        backend.run(solid(RED, MOST_IMAGES + 1))
    assert backend.run(solid(RED)).probabilities.shape == (1, 2)


def test_without_a_pack_it_says_so(engine: Path, stand_in: StandIn) -> None:
    with pytest.raises(BackendError, match="no pack is bound"):
        _backend(engine, stand_in).run(BOTH)


def test_a_pack_that_lacks_a_slot_is_refused(bundle: Path, engine: Path, stand_in: StandIn) -> None:
    slots = _slots(bundle)
    del slots["beta"]
    with pytest.raises(BackendError, match="gives no beta"):
        _backend(engine, stand_in).bind(slots)


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("deserialize", r"could not load .*a\.engine: the engine is of another version"),
        ("context", "could not make a context: its logger is silent"),
    ],
)
def test_an_engine_that_cannot_be_loaded_says_why(
    engine: Path, stand_in: StandIn, fails: str, words: str
) -> None:
    stand_in.fails.add(fails)
    with pytest.raises(BackendError, match=words):
        _backend(engine, stand_in)


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("shape", "could not take images"),
        ("execute", r"could not run a batch \(2, 32, 32, 3\): out of memory"),
    ],
)
def test_a_call_that_fails_is_an_error_with_its_reason(
    bundle: Path, engine: Path, stand_in: StandIn, fails: str, words: str
) -> None:
    backend = _backend(engine, stand_in)
    backend.bind(_slots(bundle))
    stand_in.fails.add(fails)
    with pytest.raises(BackendError, match=words):
        backend.run(BOTH)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"surplus": ("masks",)}, r"other inputs or outputs .*\(masks\)"),
        ({"types": {"images": "FLOAT"}}, "images is float32, not uint8"),
        ({"types": {"logits": "UINT8"}}, "logits is uint8, not float32"),
        ({"types": {"logits": "HALF"}}, "logits is HALF, which no graph has"),
    ],
)
def test_an_engine_of_another_contract_is_refused(
    engine: Path, bundle: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(BackendError, match=words):
        _backend(engine, StandIn(bundle / GRAPH_FILE, **change))


def test_an_engine_that_does_not_know_its_sizes_is_refused(engine: Path, stand_in: StandIn) -> None:
    stand_in.fails.add("unknown")
    with pytest.raises(BackendError, match="does not know the size of image_features"):
        _backend(engine, stand_in)


def test_memory_is_given_back(bundle: Path, engine: Path, stand_in: StandIn) -> None:
    driver = FakeDriver()
    backend = _backend(engine, stand_in, driver)
    backend.bind(_slots(bundle))
    backend.run(BOTH)
    backend.close()
    assert (driver.buffers, driver.pinned, driver.released) == ({}, {}, 1)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        ("cuInit", SetupError, "finds no GPU"),
        ("cuStreamCreate", BackendError, "cuStreamCreate failed with error 2"),
        ("cuMemAlloc_v2", BackendError, "cuMemAlloc_v2 failed with error 2"),
        ("cuMemAllocHost_v2", BackendError, "cuMemAllocHost_v2 failed with error 2"),
    ],
)
def test_a_driver_that_refuses_is_named(
    engine: Path, stand_in: StandIn, function: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        _backend(engine, stand_in, FakeDriver(**{function: 2}))


def test_a_machine_without_a_gpu_says_so(stand_in: StandIn) -> None:
    with pytest.raises(SetupError, match="there is no GPU"):
        this_machine(TensorRtApi(stand_in.module), find=lambda: None)


def test_a_machine_is_what_tensorrt_and_the_driver_say(stand_in: StandIn) -> None:
    machine = this_machine(TensorRtApi(stand_in.module), find=lambda: Gpu("Orin", "8.7", 8))
    assert (machine.runtime, machine.runtime_version) == ("tensorrt", "10.3.0")
    assert (machine.device_name, machine.compute_capability) == ("Orin", "8.7")
