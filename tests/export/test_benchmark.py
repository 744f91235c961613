from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.clip import Backbone
from edgeclip.contract.pack import filled_for
from edgeclip.errors import BundleMissingError, ConfigError, GateError, SetupError
from edgeclip.packs import load_pack
from edgeclip_export import rivals
from edgeclip_export.benchmark import run_benchmark
from edgeclip_export.benchmark_result import BenchmarkResult, require_fast
from edgeclip_export.config import BenchmarkConfig
from edgeclip_export.latency import WARM_UP, Latency, measure
from edgeclip_export.own_backends import BUNDLE, resident_mb
from edgeclip_export.rival_calls import COMPILED, EAGER, PLAIN
from support.export_commands import Run
from support.tiny_packs import TinyEncoder

ONNX_RUNTIME = f"{BUNDLE}, ONNX Runtime"
FAST = {ONNX_RUNTIME: 8.0, EAGER: 20.0}


def _result(batch: int = 1) -> BenchmarkResult:
    latencies = {(name, batch): Latency([ms] * 10, batch) for name, ms in FAST.items()}
    memory, gpu_memory = {ONNX_RUNTIME: 12.34}, {ONNX_RUNTIME: 200.0}
    return BenchmarkResult(latencies, {}, memory, gpu_memory, 1000, "leopard@1.0.0")


def test_percentiles_and_rate_of_known_times() -> None:
    item = Latency([float(ms) for ms in range(1, 101)], batch=4)
    assert [item.percentile(p) for p in (0.5, 0.95, 0.99)] == [51.0, 96.0, 100.0]
    assert item.images_per_second == pytest.approx(4000 / 51)


def test_calls_take_turns_and_warming_up_does_not_count() -> None:
    order: list[str] = []
    ticks = iter(range(1000))
    calls: dict[str, Callable[[], object]] = {n: partial(order.append, n) for n in "ab"}
    rounds: list[None] = []
    found = measure(
        calls, 5, 2, clock=lambda: float(next(ticks)), advance=lambda: rounds.append(None)
    )
    assert "".join(order) == "a" * WARM_UP + "b" * WARM_UP + "ab" * 5
    assert found["a"].times_ms == [1000.0] * 5
    assert len(rounds) == 5


def test_all_rivals_compute_what_the_bundle_computes(
    pack_folder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    pack = load_pack(pack_folder)
    slots = filled_for("head", backbone.base, pack.tensors)
    images = pack.golden.images[:3]
    made = {
        EAGER: rivals.torch_eager(backbone, slots),
        PLAIN: rivals.plain_onnxruntime(backbone, slots, tmp_path, 1),
    }
    for name, call in made.items():
        found = call(images)
        assert isinstance(found, tuple), name
        probabilities = found[3]
        assert isinstance(probabilities, torch.Tensor)
        np.testing.assert_allclose(probabilities, pack.golden.probabilities[:3], atol=1e-4)


def test_a_bundle_is_measured_beside_its_rivals(bundle: Path, encoder: TinyEncoder) -> None:
    rounds: list[None] = []
    config = BenchmarkConfig(
        bundle, (1, 3), rounds=5, threads=1, compiled=False, backend="ort",
        backbone=str(encoder.config), pretrained=str(encoder.weights),
    )  # fmt: skip
    result = run_benchmark(config, lambda: rounds.append(None))
    names = {name for name, _ in result.latencies}
    assert names == {ONNX_RUNTIME, EAGER, PLAIN}
    assert not result.absent
    assert len(rounds) == 10
    rows = result.to_dict()["rows"]
    assert {(row["variant"], row["batch"]) for row in rows} == set(result.latencies)
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in rows)
    assert {row["times_of_bundle"] for row in rows if row["variant"] == ONNX_RUNTIME} == {1.0}


@pytest.mark.slow
def test_torch_compile_computes_the_same_or_says_why_not(
    pack_folder: Path, backbone: Backbone
) -> None:
    pack = load_pack(pack_folder)
    slots = filled_for("head", backbone.base, pack.tensors)
    images = pack.golden.images[:1]
    if shutil.which("g++") is None:
        with pytest.raises(SetupError, match=r"torch\.compile does not work here \("):
            rivals.torch_compiled(backbone, slots, images)
        return
    found = rivals.torch_compiled(backbone, slots, images)(images)
    assert isinstance(found, tuple)
    np.testing.assert_allclose(found[3], pack.golden.probabilities[:1], atol=1e-4)


def test_where_the_encoder_is_not_known_the_bundle_is_measured_alone(bundle: Path) -> None:
    result = run_benchmark(BenchmarkConfig(bundle, (1,), rounds=5, backend="ort"))
    assert {name for name, _ in result.latencies} == {ONNX_RUNTIME}
    assert set(result.absent) == {EAGER, COMPILED, PLAIN}
    assert "--backbone" in result.absent[EAGER]


def test_each_rival_has_a_reason_of_its_own(
    bundle: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise SetupError("onnxruntime is not installed")

    monkeypatch.setattr(rivals, "load_onnxruntime", missing)
    config = BenchmarkConfig(
        bundle, (1,), rounds=5, compiled=False, backend="ort",
        backbone=str(encoder.config), pretrained=str(encoder.weights),
    )  # fmt: skip
    result = run_benchmark(config)
    assert {name for name, _ in result.latencies} == {ONNX_RUNTIME, EAGER}
    assert result.absent == {PLAIN: "onnxruntime is not installed"}


def test_a_batch_beyond_the_bundles_is_refused(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="--batch 8: the bundle was made for 1 to 4"):
        run_benchmark(BenchmarkConfig(bundle, (1, 8), compare=False))


def test_no_bundle_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError):
        run_benchmark(BenchmarkConfig(tmp_path))


@pytest.mark.parametrize(
    ("floor", "missed"),
    [({"fps": 125}, ""), ({"fps": 126}, "fps is 125.00"), ({"p95_ms": 7.9}, "p95_ms is 8.00")],
)
def test_a_floor_that_is_missed_is_a_gate(floor: dict[str, float], missed: str) -> None:
    if not missed:
        require_fast(_result(), floor)
        return
    with pytest.raises(GateError, match=missed):
        require_fast(_result(), floor)


def test_the_least_batch_is_what_floors_are_of() -> None:
    one, four = _result(), _result(4)
    both = replace(one, latencies={**four.latencies, **one.latencies})
    with pytest.raises(GateError, match="at batch 1"):
        require_fast(both, {"fps": 400})


def test_resident_memory_is_read() -> None:
    assert 10 < resident_mb() < 100_000


def test_the_result_is_json() -> None:
    facts = json.loads(json.dumps(_result().to_dict()))
    assert facts["memory_mb"] == {ONNX_RUNTIME: 12.3}
    assert facts["gpu_memory_mb"] == {ONNX_RUNTIME: 200.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", "0"), "--batch is '0': give sizes from 1 to 64"),
        (("--batch", "1,two"), "as in 1,4"),
        (("--batch", ""), "as in 1,4"),
        (("--backend", "cpu"), "--backend is 'cpu': give ort, trt, rtx"),
        (("--fail-below", "fps"), "--fail-below is 'fps'"),
        (("--fail-below", "speed=3"), "fps, p50_ms, p95_ms, p99_ms"),
        (("--fail-below", "fps=-1"), "a number above 0"),
        (("--fail-below", "fps=nan"), "a number above 0"),
    ],
)
def test_wrong_options_are_one_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("benchmark", tmp_path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_the_command_shows_a_table_and_says_what_is_not_there(run: Run, bundle: Path) -> None:
    done = run("benchmark", bundle, "--batch", "1", "--rounds", "5", "--no-compare")
    assert done.code == 0
    assert "this bundle" in done.out
    assert "MiB of memory" in done.out


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("", "is a folder: name a file in it"),
        ("file/b.json", "cannot be written (File exists)"),
    ],
    ids=["a folder", "in a file"],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    run: Run, bundle: Path, tmp_path: Path, out: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    done = run("benchmark", bundle, "--out", tmp_path / out)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_json_goes_out_and_into_a_file_also_where_a_floor_is_missed(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "benchmark.json"
    options = ("--batch", "2,1", "--rounds", "5", "--no-compare", "--json", "--out", out)
    done = run("benchmark", bundle, *options, "--fail-below", "fps=1e9")
    assert done.code == 3
    assert "fps is" in done.err
    facts = json.loads(done.out)
    assert facts == json.loads(out.read_text())
    assert [row["batch"] for row in facts["rows"]] == [1, 2]
