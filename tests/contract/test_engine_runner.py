from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path

import numpy as np
import pytest

from edgeclip.contract.engine_runner import WARM_UPS, EngineRunner
from edgeclip.contract.slots import HEAD_OUTPUTS
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, EngineRefusedError, GpuError
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import load_pack
from support.cuda_stand_in import FakeDriver, memory
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE, GREEN, RED, TinyPack, solid, write_tiny_bundle

WANTED = ("probabilities",)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trio = TinyPack(
        task="trio", classes=(("fox", "animal"), ("blank", "blank"), ("grass", "blank"))
    )
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle", [TinyPack(), trio])


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def stand_in(bundle: Path) -> StandIn:
    return StandIn(bundle / GRAPH_FILE)


@pytest.fixture
def runner(bundle: Path, stand_in: StandIn, driver: FakeDriver) -> EngineRunner:
    """An engine with the leopard's pack bound."""
    made = EngineRunner(ENGINE, "a.engine", TensorRtApi(stand_in.module), memory(driver))
    _bind(made, bundle, "leopard")
    return made


def _bind(runner: EngineRunner, bundle: Path, task: str) -> None:
    runner.bind(load_pack(InferenceSettings(bundle=bundle, task=task)).slots)


def _red(runner: EngineRunner, count: int = 1) -> float:
    """Return the first probability of the first frame of a red batch."""
    return float(runner.run(solid(RED, count), WANTED)["probabilities"][0, 0])


def test_inputs_and_outputs_are_known_by_name_and_type(runner: EngineRunner) -> None:
    assert "images" in runner.inputs
    assert runner.outputs == HEAD_OUTPUTS
    assert runner.types["images"] is np.uint8
    assert runner.types["class_weights"] is np.float32


def test_a_batch_of_one_is_replayed_from_a_graph_after_the_warm_ups(
    runner: EngineRunner, stand_in: StandIn, driver: FakeDriver
) -> None:
    first = _red(runner)
    for _ in range(WARM_UPS - 1):
        _red(runner)
    assert (driver.launches, stand_in.executions) == (0, WARM_UPS)
    for _ in range(5):
        assert _red(runner) == first
    assert (driver.launches, stand_in.executions) == (5, WARM_UPS + 1)  # one to capture it


def test_a_graph_computes_for_the_frame_of_now(runner: EngineRunner, driver: FakeDriver) -> None:
    for _ in range(WARM_UPS + 1):
        red = _red(runner)
    green = runner.run(solid(GREEN), WANTED)["probabilities"][0, 0]
    assert driver.launches == 2
    assert green < 0.01 < 0.99 < red


def test_larger_batches_are_never_captured(runner: EngineRunner, driver: FakeDriver) -> None:
    for _ in range(WARM_UPS + 3):
        _red(runner, 2)
    assert driver.launches == 0


def test_another_batch_drops_the_graph_and_it_is_captured_anew(
    runner: EngineRunner, driver: FakeDriver
) -> None:
    for count in (1, 1, 1, 1, 2, 1, 1, 1, 1):
        _red(runner, count)
    assert driver.launches == 2
    assert len(driver.graphs) == 1


def test_a_pack_of_the_same_sizes_keeps_the_graph(
    runner: EngineRunner, bundle: Path, driver: FakeDriver
) -> None:
    for _ in range(WARM_UPS + 1):
        before = _red(runner)
    slots = load_pack(InferenceSettings(bundle=bundle, task="leopard")).slots
    runner.bind({**slots, "class_bias": np.array([0, 90], np.float32)})
    assert _red(runner) < 0.01 < before
    assert driver.launches == 2


def test_a_pack_of_other_sizes_drops_the_graph_and_no_buffer_moves(
    runner: EngineRunner, bundle: Path, driver: FakeDriver
) -> None:
    for _ in range(WARM_UPS + 1):
        _red(runner)
    buffers, pinned = list(driver.buffers), list(driver.pinned)
    _bind(runner, bundle, "trio")
    assert runner.run(solid(RED), WANTED)["probabilities"].shape == (1, 3)
    assert driver.graphs == {}
    assert (list(driver.buffers), list(driver.pinned)) == (buffers, pinned)


def test_an_engine_that_cannot_be_captured_runs_on_and_it_is_said_once(
    runner: EngineRunner, stand_in: StandIn, driver: FakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.fails.add("capture")
    with caplog.at_level(logging.WARNING):
        found = {_red(runner) for _ in range(WARM_UPS + 3)}
    assert len(found) == 1
    assert driver.launches == 0
    assert len(caplog.records) == 1
    assert "no CUDA graph (TensorRT: could not run a batch" in caplog.text
    assert "this engine cannot be captured" in caplog.text


@pytest.mark.parametrize("function", ["cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags"])
def test_a_driver_without_graphs_is_said_and_runs_on(
    bundle: Path, stand_in: StandIn, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeDriver(**{function: 801})
    runner = EngineRunner(ENGINE, "a.engine", TensorRtApi(stand_in.module), memory(driver))
    _bind(runner, bundle, "leopard")
    with caplog.at_level(logging.WARNING):
        assert len({_red(runner) for _ in range(WARM_UPS + 2)}) == 1
    assert f"{function} failed with error 801" in caplog.text


def test_a_tensor_of_another_type_is_refused(runner: EngineRunner) -> None:
    with pytest.raises(BackendError, match=r"class_bias \(2,\) float64 is larger .* or of another"):
        runner.bind({"class_bias": np.zeros(2)})


def test_closing_gives_graphs_and_all_memory_back(runner: EngineRunner, driver: FakeDriver) -> None:
    for _ in range(WARM_UPS + 1):
        _red(runner)
    assert driver.graphs
    runner.close()
    assert (driver.graphs, driver.buffers, driver.pinned) == ({}, {}, {})
    assert driver.released == 1


def test_a_driver_that_refuses_one_free_is_asked_for_all_others(
    runner: EngineRunner, driver: FakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """After an illegal access each call may answer 700; the error that is on its way is kept."""
    driver.codes["cuMemFree_v2"] = 700
    runner.close()
    assert driver.buffers
    assert (driver.pinned, driver.released) == ({}, 1)
    assert "CUDA's cuMemFree_v2 failed with error 700" in caplog.text


def test_an_engine_that_is_none_is_told_apart_from_a_gpu_without_room(
    stand_in: StandIn, driver: FakeDriver
) -> None:
    api = TensorRtApi(stand_in.module)
    with pytest.raises(EngineRefusedError, match=r"could not load a\.engine: .* another version"):
        EngineRunner(b"other", "a.engine", api, memory(driver))
    driver.codes["cuMemAlloc_v2"] = 2
    with pytest.raises(GpuError, match="cuMemAlloc_v2 failed with error 2"):
        EngineRunner(ENGINE, "a.engine", api, memory(driver))


def test_a_closed_runner_keeps_nothing_of_tensorrt(runner: EngineRunner) -> None:
    _red(runner)
    parts = [weakref.ref(part) for part in (runner._context, runner._engine, runner._runtime)]
    runner.close()
    gc.collect()
    assert [part() for part in parts] == [None, None, None]


def test_the_last_batch_is_computed_again_without_a_copy(
    runner: EngineRunner, stand_in: StandIn, driver: FakeDriver
) -> None:
    with pytest.raises(BackendError, match="nothing has run yet"):
        runner.enqueue()
    red = _red(runner, 2)
    before = stand_in.executions
    runner.enqueue()
    assert stand_in.executions == before + 1
    assert _red(runner, 2) == red
    assert runner.stream == driver.stream
