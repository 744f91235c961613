"""Which rung serves: engines stand in, computed with the tiny graph, and some compute otherwise."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.contract.bundle import Rung, read_bundle
from edgeclip.contract.engine_key import Machine, survey_engines
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import (
    BackendError,
    BundleMismatchError,
    ConfigError,
    EngineRefusedError,
    GpuError,
)
from edgeclip_device.backends.base import Backend, Outputs
from edgeclip_device.backends.choosing import Chosen, choose_backend
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_device.config import InferenceSettings, load_settings
from edgeclip_device.facts import DeviceFacts, info
from edgeclip_device.machine.identity import identify
from edgeclip_device.machine.tree import Tree
from edgeclip_device.packs import load_pack
from edgeclip_device.running import Running, running
from support.cuda_stand_in import memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))
RUNGS: tuple[Rung, ...] = ("fp16", "fp16-attn32", "fp32")


class _Otherwise:
    """A backend whose probabilities are not what the graph computes."""

    def __init__(self, backend: Backend, off: float) -> None:
        self._backend, self._off = backend, off
        self.name, self.precision = backend.name, backend.precision

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        self._backend.bind(slots)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        outputs = self._backend.run(images)
        off = np.float32(self._off)
        return replace(outputs, probabilities=np.abs(outputs.probabilities - off))

    def close(self) -> None:
        self._backend.close()


@pytest.fixture
def built(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with an engine of every rung."""
    folder = Path(copytree(bundle, tmp_path / "bundle"))
    for rung in RUNGS:
        write_engine(folder, key_of(read_bundle(folder), NANO, rung), ENGINE)
    return folder


def _choose(bundle: Path, failing: tuple[Rung, ...] = (), off: float = 0.3, **table: str) -> Chosen:
    settings = InferenceSettings.model_validate({"bundle": bundle, **table})

    def open_engine(engine: Path, precision: str) -> Backend:
        api = TensorRtApi(StandIn(bundle / GRAPH_FILE).module)
        backend = TensorRtBackend(engine, precision, api=api, memory=memory())
        return _Otherwise(backend, off) if precision in failing else backend

    return choose_backend(load_pack(settings), settings, Ladder(lambda: NANO, open_engine))


@pytest.mark.parametrize(
    ("failing", "backend", "precision", "rung"),
    [
        ((), "tensorrt", "fp16", 1),
        (RUNGS[:1], "tensorrt", "fp16-attn32", 2),
        (RUNGS[:2], "tensorrt", "fp32", 3),
        (RUNGS, "onnxruntime", "fp32", 4),
    ],
    ids=["all serve", "first fails", "two fail", "all fail"],
)
def test_auto_goes_down_to_the_first_rung_that_computes_rightly(
    built: Path, failing: tuple[Rung, ...], backend: str, precision: str, rung: int
) -> None:
    chosen = _choose(built, failing)
    assert (chosen.backend.name, chosen.backend.precision) == (backend, precision)
    assert chosen.rung == rung
    assert chosen.alarm.count("does not compute what the exporter did") == len(failing)


def test_below_the_first_rung_is_an_alarm_and_on_it_is_none(
    built: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _choose(built)
    assert "alarm" not in caplog.text
    chosen = _choose(built, RUNGS[:1])
    (alarm,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert alarm.message == f"alarm degraded_precision: rung 2 of 4: {chosen.alarm}"
    assert "probability off by 0.3 (at most 0.02)" in chosen.alarm


def test_a_probability_within_tolerance_but_on_another_side_of_a_threshold_is_told(
    built: Path,
) -> None:
    """The cosine of the features says nothing here: they are the very same."""
    chosen = _choose(built, RUNGS[:1], off=0.5)
    assert "images are decided otherwise" in chosen.alarm


@pytest.mark.parametrize("precision", RUNGS)
def test_a_named_precision_that_fails_stops(built: Path, precision: Rung) -> None:
    with pytest.raises(BackendError, match=f"tensorrt {precision} does not compute") as error:
        _choose(built, RUNGS, backend="tensorrt", precision=precision)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("precision", RUNGS)
def test_a_named_precision_serves_without_an_alarm(built: Path, precision: Rung) -> None:
    chosen = _choose(built, precision=precision)
    assert (chosen.backend.precision, chosen.alarm) == (precision, "")


def test_a_named_precision_without_an_engine_says_how_to_build_it(bundle: Path) -> None:
    with pytest.raises(BundleMismatchError, match="has no fp16 engine for this machine"):
        _choose(bundle, precision="fp16")


def test_a_tensorrt_that_the_bundle_was_not_made_for_runs_no_engine(built: Path) -> None:
    path = built / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"requires": {"tensorrt": ">=10.4"}}))
    chosen = _choose(built)
    assert (chosen.backend.name, chosen.rung) == ("onnxruntime", 4)
    assert chosen.alarm.startswith("the bundle needs tensorrt >=10.4, here is 10.3.0: install a")


def test_tensorrt_by_name_goes_down_its_own_rungs_and_never_to_onnx_runtime(built: Path) -> None:
    chosen = _choose(built, RUNGS[:2], backend="tensorrt")
    assert chosen.rung == 3
    assert chosen.alarm.count("does not compute what the exporter did") == 2  # no rung was named
    with pytest.raises(BackendError, match=r"tensorrt fp32 does not compute"):
        _choose(built, RUNGS, backend="tensorrt")


def test_single_precision_is_onnx_runtimes_too_where_no_engine_serves(
    bundle: Path, built: Path
) -> None:
    """It is what was asked for, and slower than an engine: that is never in silence."""
    chosen = _choose(bundle, precision="fp32")
    assert chosen.backend.name == "onnxruntime"
    assert "has no fp32 engine for this machine: run" in chosen.alarm
    chosen = _choose(built, RUNGS, precision="fp32")
    assert chosen.backend.name == "onnxruntime"
    assert "tensorrt fp32 does not compute" in chosen.alarm


def test_a_better_rung_that_was_never_built_is_an_alarm(bundle: Path, tmp_path: Path) -> None:
    folder = Path(copytree(bundle, tmp_path / "one"))
    write_engine(folder, key_of(read_bundle(folder), NANO, "fp16-attn32"), ENGINE)
    chosen = _choose(folder)
    assert (chosen.rung, chosen.alarm) == (
        2,
        f"no fp16 engine is built: run `edgeclip-export engine {folder} --precision auto` here",
    )


def test_an_engine_that_failed_at_a_start_is_not_tried_again_and_stays_an_alarm(
    built: Path,
) -> None:
    first = _choose(built, RUNGS[:1])
    second = _choose(built)  # it would compute rightly now: nobody loads it
    assert (first.rung, second.rung) == (2, 2)
    survey = survey_engines(built, read_bundle(built), NANO)
    assert len(survey.failed) == 1
    assert survey.never_usable == {}  # the next build finds it, and goes down one rung
    assert "computes something else than the exporter did: probability off by" in second.alarm


def _opened(built: Path, error: BackendError) -> Chosen:
    """Choose where the first rung cannot be loaded."""
    settings = InferenceSettings(bundle=built)

    def open_engine(engine: Path, precision: str) -> Backend:
        if precision == "fp16":
            raise error
        api = TensorRtApi(StandIn(built / GRAPH_FILE).module)
        return TensorRtBackend(engine, precision, api=api, memory=memory())

    return choose_backend(load_pack(settings), settings, Ladder(lambda: NANO, open_engine))


def test_an_engine_that_tensorrt_does_not_take_is_set_aside(built: Path) -> None:
    assert _opened(built, EngineRefusedError("TensorRT: could not load it")).rung == 2
    assert sorted(path.suffix for path in (built / "engines/aside").iterdir()) == [
        ".engine", ".json", ".txt"
    ]  # fmt: skip
    assert _choose(built).alarm.startswith("no fp16 engine is built")


def test_a_gpu_without_room_says_nothing_of_the_engine(built: Path) -> None:
    assert _opened(built, GpuError("CUDA's cuMemAlloc_v2 failed with error 2")).rung == 2
    assert (_choose(built).rung, _choose(built).alarm) == (1, "")


@pytest.mark.parametrize("error", [BackendError("no kernel"), EngineRefusedError("not taken")])
def test_a_bundle_that_cannot_be_written_stops_no_start(
    built: Path,
    error: BackendError,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("record_parity", "set_aside"):
        monkeypatch.setattr(f"edgeclip.contract.engine_faults.{name}", refuse)
    assert _opened(built, error).rung == 2
    assert "Permission denied): verify as its owner" in caplog.text


def test_half_precision_of_onnx_runtime_is_no_configuration() -> None:
    tables = {"inference": {"backend": "onnxruntime", "precision": "fp16"}}
    with pytest.raises(ConfigError, match="precision = fp16 is no ONNX Runtime's: give fp32"):
        load_settings(None, {"device_id": "jetson-1", **tables})


@pytest.mark.parametrize(("alarm", "told"), [("", None), ("engine " * 99, 200)])
def test_the_rung_and_its_alarm_stand_in_info(alarm: str, told: int | None) -> None:
    settings = load_settings(None, {"device_id": "jetson-1"})
    what = running("leopard@1.0.0", ("tensorrt", "fp32"), "/dev/video0", None, rung=3, alarm=alarm)
    birth = info(
        settings, DeviceFacts(Running.from_json(what.model_dump_json())), identify(Tree(), settings)
    )
    assert (birth.precision, birth.rung) == ("fp32", 3)
    assert (len(birth.degraded_precision) if birth.degraded_precision else None) == told
