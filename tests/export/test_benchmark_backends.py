"""The benchmark through each backend: engines on a stand-in of TensorRT, ONNX Runtime for real."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import Machine, Precision, checked_sidecar
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, BundleMismatchError, ConfigError, SetupError
from edgeclip_export.bandwidth import floor_ms, memory_gb_s
from edgeclip_export.benchmark import run_benchmark
from edgeclip_export.benchmark_result import BenchmarkResult
from edgeclip_export.board import Board
from edgeclip_export.config import BenchmarkConfig
from edgeclip_export.latency import Latency
from edgeclip_export.own_backends import BUNDLE
from support.cuda_stand_in import FakeDriver, memory
from support.engines import key_of, write_engine
from support.export_commands import Run
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE, write_tiny_bundle

ORIN = Gpu("Orin", "8.7", 8)
NANO = Machine.of("tensorrt", "10.3.0", ORIN)
KIT = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
ONNX_RUNTIME, ENGINE_NAME = f"{BUNDLE}, ONNX Runtime", f"{BUNDLE}, tensorrt fp16"


def _absent() -> ModuleType:
    raise SetupError("no TensorRT can be imported")


def _built(folder: Path, precision: Precision = "fp16", *, baked: bool = False) -> Path:
    bundle = write_tiny_bundle(folder, baked=baked)
    write_engine(bundle, key_of(read_bundle(bundle), NANO, precision), ENGINE)
    return bundle


def _hosts(stand_in: StandIn, driver: FakeDriver | None = None) -> dict[str, EngineHost]:
    api = TensorRtApi(stand_in.module)
    here = EngineHost("tensorrt", api, lambda: ORIN, lambda: memory(driver))
    return {"trt": here, "rtx": EngineHost("tensorrt_rtx", TensorRtApi(_absent))}


def _measured(bundle: Path, *, baked: bool = False, **options: Any) -> BenchmarkResult:
    settings = {"batches": (1, 2), "rounds": 5, "compare": False, **options}
    board = settings.pop("board", Board(7619, 4000))
    hosts = _hosts(StandIn(bundle / GRAPH_FILE, baked=baked), settings.pop("driver", None))
    return run_benchmark(BenchmarkConfig(bundle, **settings), hosts=hosts, board=board)


def test_every_backend_that_is_here_is_measured_the_engine_first(tmp_path: Path) -> None:
    result = _measured(_built(tmp_path / "bundle"))
    assert list(result.latencies) == [
        (name, batch) for batch in (1, 2) for name in (ENGINE_NAME, ONNX_RUNTIME)
    ]
    assert result.first == ENGINE_NAME
    assert result.absent == {f"{BUNDLE}, rtx": "no TensorRT can be imported"}


@pytest.mark.parametrize(("backend", "name"), [("trt", ENGINE_NAME), ("ort", ONNX_RUNTIME)])
def test_a_backend_that_is_named_is_measured_alone(tmp_path: Path, backend: str, name: str) -> None:
    result = _measured(_built(tmp_path / "bundle"), backend=backend)
    assert {found for found, _ in result.latencies} == {name}
    assert result.absent == {}


def test_a_backend_that_is_named_must_be_here(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(SetupError, match="no TensorRT can be imported"):
        _measured(bundle, backend="rtx")
    with pytest.raises(BundleMismatchError, match="has no engine of tensorrt for this machine"):
        _measured(bundle, backend="trt")


def test_the_engine_gives_its_memory_back_also_where_it_fails(tmp_path: Path) -> None:
    bundle, driver = _built(tmp_path / "bundle"), FakeDriver()
    _measured(bundle, driver=driver)
    assert (driver.buffers, driver.pinned, driver.released) == ({}, {}, 1)
    hosts = _hosts(StandIn(bundle / GRAPH_FILE, fails={"execute"}), driver)
    with pytest.raises(BackendError, match="out of memory"):
        run_benchmark(BenchmarkConfig(bundle, rounds=5, compare=False), hosts=hosts)
    assert driver.released == 2


def test_a_backend_that_fails_while_it_is_opened_leaves_no_other_open(tmp_path: Path) -> None:
    bundle, driver, other = _built(tmp_path / "bundle"), FakeDriver(), FakeDriver()
    hosts = _hosts(StandIn(bundle / GRAPH_FILE), driver)
    failing = _hosts(StandIn(bundle / GRAPH_FILE, fails={"shape"}), other)
    both = {"trt": hosts["trt"], "again": failing["trt"]}
    with pytest.raises(BackendError, match="could not take"):
        run_benchmark(BenchmarkConfig(bundle, rounds=5, compare=False), hosts=both)
    assert (driver.buffers, driver.released) == ({}, 1)
    assert (other.buffers, other.released) == ({}, 1)


def test_a_pack_that_cannot_be_bound_leaves_no_engine_open(tmp_path: Path) -> None:
    bundle, driver = _built(tmp_path / "bundle"), FakeDriver(cuMemcpyHtoDAsync_v2=700)
    with pytest.raises(BackendError, match="cuMemcpyHtoDAsync_v2 failed with error 700"):
        _measured(bundle, driver=driver)
    assert (driver.buffers, driver.released) == ({}, 1)


@pytest.mark.parametrize("backend", ["trt", "ort"])
def test_a_baked_bundle_is_measured_with_nothing_bound(tmp_path: Path, backend: str) -> None:
    bundle = _built(tmp_path / "bundle", baked=True)
    result = _measured(bundle, baked=True, backend=backend, compare=True)
    assert {batch for _, batch in result.latencies} == {1, 2}
    assert set(result.absent.values()) == {
        "a pack is baked in: only bundles that bind packs are compared"
    }


def test_the_engine_is_held_against_what_the_boards_memory_gives(tmp_path: Path) -> None:
    bundle = _built(tmp_path / "bundle")
    params = read_bundle(bundle).base.params
    result = _measured(bundle, board=Board(7619, 4000, "15W", True, KIT))
    assert result.floors_ms == {ENGINE_NAME: floor_ms(2 * params, 68.3)}
    shares = {row["variant"]: row["share_of_memory_floor"] for row in result.to_dict()["rows"]}
    assert shares[ONNX_RUNTIME] is None
    (floor,) = result.floors_ms.values()
    rows = [row for row in result.to_dict()["rows"] if row["variant"] == ENGINE_NAME]
    for row in rows:
        median = result.latencies[ENGINE_NAME, row["batch"]].percentile(0.5)
        assert row["share_of_memory_floor"] == pytest.approx(floor / median, abs=5e-4)


def test_a_share_is_floor_over_median() -> None:
    result = BenchmarkResult(
        {(ENGINE_NAME, 1): Latency([5.0] * 5, 1)}, {}, {}, {}, 1000, "leopard@1.0.0",
        {ENGINE_NAME: 2.5},
    )  # fmt: skip
    assert result.to_dict()["rows"][0]["share_of_memory_floor"] == 0.5


def test_each_backend_has_its_own_memory_and_an_engine_that_of_the_gpu(tmp_path: Path) -> None:
    driver = FakeDriver()
    result = _measured(_built(tmp_path / "bundle"), driver=driver)
    assert set(result.memory_mb) == {ENGINE_NAME, ONNX_RUNTIME}
    assert set(result.gpu_memory_mb) == {ENGINE_NAME}
    images = 32 * 32 * 3 / 2**20  # one frame at least lies on the GPU
    assert images < result.gpu_memory_mb[ENGINE_NAME] < 100


def test_what_was_measured_of_an_engine_stands_in_its_sidecar(tmp_path: Path) -> None:
    bundle = _built(tmp_path / "bundle")
    result = _measured(bundle)
    (engine,) = (bundle / "engines").glob("*.engine")
    known = checked_sidecar(engine).benchmark
    assert known == result.figures(ENGINE_NAME)
    assert set(known) == {f"b{batch}_p{p}_ms" for batch in (1, 2) for p in (50, 95, 99)}


def test_an_engine_in_single_precision_reads_twice_as_much(tmp_path: Path) -> None:
    board = Board(7619, 4000, "15W", True, KIT)
    half, single = (
        _measured(_built(tmp_path / precision, precision), board=board)
        for precision in ("fp16", "fp32")
    )
    (one,), (two,) = half.floors_ms.values(), single.floors_ms.values()
    assert two == pytest.approx(2 * one)


def test_without_a_known_board_there_is_no_floor(tmp_path: Path) -> None:
    result = _measured(_built(tmp_path / "bundle"))
    assert result.to_dict()["memory_floor_ms"] == {}


@pytest.mark.parametrize(
    ("model", "mode", "memory_mb", "gb_s"),
    [
        (KIT, "15W", 7619, 68.3),
        (KIT, "25W", 7619, 102.4),
        (KIT, "MAXN_SUPER", 7619, 102.4),
        ("NVIDIA Jetson Orin Nano Developer Kit", "", 7619, 68.3),
        ("NVIDIA Jetson Orin Nano Developer Kit", "10W", 3800, 34.1),
        ("NVIDIA Jetson Orin Nano Developer Kit", "25W", 3800, 51.2),
        ("NVIDIA Orin NX Developer Kit", "MAXN", 15_000, 102.4),
        ("NVIDIA Jetson AGX Orin Developer Kit", "MAXN", 62_000, 204.8),
        ("Raspberry Pi 5 Model B", "", 7900, None),
        ("", "", 7900, None),
    ],
)
def test_bandwidth_is_that_of_the_module_and_its_power_mode(
    model: str, mode: str, memory_mb: int, gb_s: float | None
) -> None:
    assert memory_gb_s(Board(memory_mb, 1000, mode, bool(mode), model)) == gb_s


def test_a_vit_b_32_in_half_precision_takes_the_time_that_the_datasheet_gives() -> None:
    """87.85 million weights of two bytes over 68.3 GB/s."""
    assert floor_ms(2 * 87_850_000, 68.3) == pytest.approx(2.57, abs=0.01)


def test_a_batch_beyond_the_bundles_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--batch 8"):
        _measured(_built(tmp_path / "bundle"), batches=(8,), driver=FakeDriver(cuInit=100))


def test_the_command_names_the_backends_that_are_not_here(run: Run, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", baked=True)
    done = run("benchmark", bundle, "--rounds", 5, "--batch", "1,4", "--json")
    assert done.code == 0
    facts = json.loads(done.out)
    assert {row["variant"] for row in facts["rows"]} == {ONNX_RUNTIME}
    assert {f"{BUNDLE}, trt", f"{BUNDLE}, rtx"} <= set(facts["absent"])
