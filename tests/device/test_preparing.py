"""A bundle made ready: engines built rung by rung, proved, measured; the builder stands in."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from edgeclip.contract.bundle import Rung, read_bundle
from edgeclip.contract.engine_key import Machine, checked_sidecar, engine_file, survey_engines
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.signing import make_key
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BundleMismatchError, GateError, SetupError
from edgeclip_device import cli
from edgeclip_device.backends.base import Backend, Outputs
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_device.building import BuildOptions, Built, build_engine
from edgeclip_device.config import InferenceSettings
from edgeclip_device.own_engines import OwnEngines
from edgeclip_device.packs import load_pack
from edgeclip_device.preparing import Preparation, Prepared
from support import stand_in_tensorrt
from support.cuda_stand_in import memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))
RUNGS: tuple[Rung, ...] = ("fp16", "fp16-attn32", "fp32")


class _Otherwise(TensorRtBackend):
    """An engine whose probabilities are wrong."""

    def run(self, images: np.ndarray) -> Outputs:
        outputs = super().run(images)
        return replace(outputs, probabilities=np.abs(outputs.probabilities - np.float32(0.3)))


@dataclass
class Bench:
    """A device with a builder that writes engines at once, and some rungs that compute wrongly."""

    bundle: Path
    state: Path
    settings: InferenceSettings
    wrong: tuple[Rung, ...] = ()
    asked: list[BuildOptions] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def build(self, bundle: Path, options: BuildOptions) -> Built:
        self.asked.append(options)
        manifest = read_bundle(bundle)
        failed = survey_engines(bundle, manifest, NANO).failed
        for rung in RUNGS if options.precision == "auto" else (options.precision,):
            key = key_of(manifest, NANO, rung)  # type: ignore[arg-type]
            path = engine_file(bundle, key.digest())
            if path.name in failed and not options.rebuild:
                continue
            was_there = path.exists() and not options.rebuild
            if not was_there:
                write_engine(bundle, key, ENGINE)
            return Built(path, checked_sidecar(path), was_there)
        raise GateError("no rung is left but ONNX Runtime")

    def open_engine(self, engine: Path, precision: str) -> Backend:
        kind = _Otherwise if precision in self.wrong else TensorRtBackend
        api = TensorRtApi(StandIn(self.bundle / GRAPH_FILE).module)
        return kind(engine, precision, api=api, memory=memory())

    @property
    def own(self) -> OwnEngines:
        return OwnEngines(self.settings, self.state)

    def prepare(self, precision: str = "auto") -> Prepared:
        ladder = Ladder(lambda: NANO, self.open_engine, self.own.believes)
        settings = self.settings.model_copy(update={"precision": precision})
        options = BuildOptions(precision)
        return Preparation(
            load_pack(settings), settings, self.own, options, self.told.append, ladder, self.build
        ).run()

    def engines(self) -> list[Path]:
        return sorted((self.bundle / "engines").glob("*.engine"))


@pytest.fixture
def bench(bundle: Path, tmp_path: Path) -> Bench:
    folder = Path(copytree(bundle, tmp_path / "bundle"))
    settings = InferenceSettings(bundle=folder, threads=1)
    return Bench(folder, tmp_path / "state", settings)


def test_the_best_rung_is_built_proved_and_measured(bench: Bench) -> None:
    done = bench.prepare()
    assert done.verification.serves is not None
    assert (done.verification.serves.rung, done.verification.alarm) == ("fp16", "")
    assert 0 < done.figures["b1_p50_ms"] <= done.figures["b1_p95_ms"] <= done.figures["b1_p99_ms"]
    (engine,) = bench.engines()
    sidecar = checked_sidecar(engine)
    assert sidecar.benchmark == done.figures
    assert sidecar.parity is not None
    assert sidecar.parity["images"] == 5


@pytest.mark.parametrize(("wrong", "serves"), [(RUNGS[:1], "fp16-attn32"), (RUNGS[:2], "fp32")])
def test_a_rung_that_computes_something_else_is_left_for_the_next(
    bench: Bench, wrong: tuple[Rung, ...], serves: Rung
) -> None:
    bench.wrong = wrong
    done = bench.prepare()
    assert done.verification.serves is not None
    assert done.verification.serves.rung == serves
    assert sum(line.startswith("✗ engine") for line in bench.told) == len(wrong)
    assert "probability off by 0.3" in done.verification.alarm


def test_after_the_last_rung_onnx_runtime_serves(bench: Bench) -> None:
    bench.wrong = RUNGS
    done = bench.prepare()
    assert done.verification.serves is not None
    assert done.verification.serves.backend == "onnxruntime"
    assert done.figures["b1_p50_ms"] > 0
    assert len(bench.engines()) == 3


def test_a_precision_that_is_named_and_fails_is_no_other(bench: Bench) -> None:
    bench.wrong = RUNGS[:1]
    with pytest.raises(BundleMismatchError, match=r"computes something else .* off by 0\.3"):
        bench.prepare("fp16")
    assert [options.precision for options in bench.asked] == ["fp16"]


def test_a_second_time_nothing_is_built(bench: Bench) -> None:
    bench.prepare()
    bench.told.clear()
    bench.prepare()
    assert bench.told == [f"- {bench.engines()[0].name} (fp16) is built already"]


def test_with_keys_an_engine_that_was_put_there_is_built_again_and_then_believed(
    bench: Bench, tmp_path: Path
) -> None:
    keys = [make_key(tmp_path / "team")]
    bench.settings = bench.settings.model_copy(update={"public_keys": keys})
    planted = write_engine(bench.bundle, key_of(read_bundle(bench.bundle), NANO), b"planted")
    done = bench.prepare()
    assert [options.rebuild for options in bench.asked] == [False, True]
    assert planted.read_bytes() == ENGINE
    assert done.verification.serves is not None
    assert done.verification.serves.backend == "tensorrt"
    bench.asked.clear()
    bench.prepare()
    assert [options.rebuild for options in bench.asked] == [False]


def test_where_no_engine_can_run_none_is_built_and_it_is_said(bench: Bench) -> None:
    def absent() -> Machine:
        raise SetupError("no TensorRT can be imported")

    options = BuildOptions()
    settings = bench.settings
    ladder = Ladder(absent, bench.open_engine)
    pack = load_pack(settings)
    parts = (bench.own, options, bench.told.append, ladder, bench.build)
    done = Preparation(pack, settings, *parts).run()
    assert bench.told == ["- no engine is built: no TensorRT can be imported"]
    assert done.verification.serves is not None
    assert done.verification.serves.backend == "onnxruntime"
    named = settings.model_copy(update={"backend": "tensorrt"})
    with pytest.raises(SetupError, match="no TensorRT can be imported"):
        Preparation(pack, named, *parts).run()


def test_the_builder_runs_as_a_process_of_its_own(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first").mkdir()
    shutil.copyfile(stand_in_tensorrt.__file__, tmp_path / "first/tensorrt.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"), prepend=":")
    monkeypatch.setenv("STAND_IN_STEPS", "1")
    built = build_engine(bench.bundle, BuildOptions())
    assert (built.was_there, built.sidecar.made_from.precision) == (False, "fp16")
    assert build_engine(bench.bundle, BuildOptions()).was_there
    assert not build_engine(bench.bundle, BuildOptions(rebuild=True)).was_there
    assert capfd.readouterr().out == ""


def test_the_builders_error_is_ours(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    for name in ("tensorrt", "tensorrt_rtx"):
        (tmp_path / f"first/{name}.py").write_text(f"raise ImportError('no lib{name}.so')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"), prepend=":")
    with pytest.raises(SetupError, match=r"no libtensorrt\.so"):
        build_engine(bench.bundle, BuildOptions())


def test_without_the_exporter_it_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SetupError, match="edgeclip_export is not installed"):
        build_engine(bench.bundle, BuildOptions())


def test_the_command_prints_what_serves_and_how_fast(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["edgeclip-device", "prepare", str(bench.bundle), "--backend", "onnxruntime"]
    monkeypatch.setattr(sys, "argv", [*command, "--state", str(tmp_path / "state")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "leopard@1.0.0 is served by onnxruntime, rung fp32"
    assert lines[-1].startswith("one frame takes ")
    monkeypatch.setattr(sys, "argv", [*command, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    facts = json.loads(capsys.readouterr().out)
    assert facts["serves"] == "onnxruntime"
    assert set(facts["benchmark"]) == {"b1_p50_ms", "b1_p95_ms", "b1_p99_ms"}
