from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from edgeclip.contract.bundle import BundleManifest, Profile
from edgeclip.contract.engine_key import NO_GPU
from edgeclip.contract.gpu import find_gpu
from edgeclip.errors import BackendError, ConfigError
from edgeclip_export.config import BuilderSettings
from edgeclip_export.engine import build_engine
from edgeclip_export.tensorrt_runtime import module_name, this_machine

pytestmark = pytest.mark.rtx
SUBMIT = ThreadPoolExecutor.submit


class _Recorder:
    """Keeps what a build reports."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str | None, int]] = []
        self.done: list[tuple[str, int]] = []
        self.waits = 0
        self.finished: list[str] = []

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        self.started.append((name, parent, steps))

    def step_done(self, name: str, step: int) -> None:
        self.done.append((name, step))  # judged by the test: an error here would end the process

    def phase_finished(self, name: str) -> None:
        self.finished.append(name)

    def waiting(self) -> None:
        self.waits += 1


class _Interrupting(_Recorder):
    """Presses Ctrl-C at a step, and lets the main thread see it before the builder goes on."""

    def step_done(self, name: str, step: int) -> None:
        super().step_done(name, step)
        if len(self.done) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)


def test_a_half_precision_graph_becomes_an_engine_with_progress(
    tensorrt_graph: Path, manifest: BundleManifest
) -> None:
    recorder = _Recorder()
    engine = build_engine(tensorrt_graph, manifest.profiles, BuilderSettings(), recorder)
    assert len(engine) > 100_000
    name, parent, steps = recorder.started[0]
    assert (name, parent) == ("Building engine", None)
    assert steps > 0
    assert len(recorder.done) >= steps
    sizes = {name: count for name, _, count in recorder.started}
    assert all(0 <= step < sizes[name] for name, step in recorder.done)
    assert recorder.waits > 0
    assert sorted(recorder.finished) == sorted(name for name, _, _ in recorder.started)


def test_ctrl_c_ends_the_build_at_its_next_step(
    tensorrt_graph: Path, manifest: BundleManifest
) -> None:
    recorder = _Interrupting()
    with pytest.raises(KeyboardInterrupt):
        build_engine(tensorrt_graph, manifest.profiles, BuilderSettings(), recorder)
    assert len(recorder.done) <= 5
    assert "Building engine" in recorder.finished  # the builder's thread has ended, too


def test_an_empty_file_is_refused(manifest: BundleManifest, tmp_path: Path) -> None:
    path = tmp_path / "model.trt.onnx"
    path.write_bytes(b"")
    with pytest.raises(BackendError, match=r"model\.trt\.onnx holds no graph"):
        build_engine(path, manifest.profiles, BuilderSettings(), _Recorder())


@pytest.mark.parametrize("content", [b"not a graph", b"\x08\x0a\x3a\x7f" * 99])
def test_a_file_that_is_no_graph_is_refused_with_the_parsers_reason(
    content: bytes, manifest: BundleManifest, tmp_path: Path
) -> None:
    path = tmp_path / "model.trt.onnx"
    path.write_bytes(content)
    with pytest.raises(
        BackendError, match=r"model\.trt\.onnx was refused by the parser: "
    ) as error:
        build_engine(path, manifest.profiles, BuilderSettings(), _Recorder())
    assert "\n" not in str(error.value)


def test_an_operator_that_the_parser_lacks_is_named(
    manifest: BundleManifest, tmp_path: Path
) -> None:
    port = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    node = helper.make_node("Levitate", ["images"], ["y"], domain="elsewhere")
    graph = helper.make_graph([node], "g", [port], [result])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("elsewhere", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "g.onnx")
    with pytest.raises(BackendError, match="Levitate"):
        build_engine(tmp_path / "g.onnx", manifest.profiles, BuilderSettings(), _Recorder())


def test_a_free_dimension_without_a_size_is_refused_by_name(
    tensorrt_graph: Path, manifest: BundleManifest
) -> None:
    profiles = {name: item for name, item in manifest.profiles.items() if name != "K"}
    with pytest.raises(ConfigError, match="dimension 'K' is free and has no profile"):
        build_engine(tensorrt_graph, profiles, BuilderSettings(), _Recorder())


def test_sizes_in_the_wrong_order_are_refused(
    tensorrt_graph: Path, manifest: BundleManifest
) -> None:
    profiles = manifest.profiles | {"B": Profile(min=4, opt=2, max=1)}
    with pytest.raises(BackendError, match="TensorRT: "):
        build_engine(tensorrt_graph, profiles, BuilderSettings(), _Recorder())


def test_the_machine_is_named_by_runtime_version_and_gpu() -> None:
    machine = this_machine()
    assert machine.runtime == module_name()
    assert machine.runtime_version.count(".") >= 2
    gpu = find_gpu()
    assert machine.device_name == (gpu.name if gpu else NO_GPU)


def test_a_signal_while_the_builder_is_started_ends_it_as_well(
    tensorrt_graph: Path, manifest: BundleManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread runs already when `submit` is interrupted: it must hear of it."""
    recorder = _Recorder()

    def interrupted(pool: ThreadPoolExecutor, *arguments: Any) -> None:
        SUBMIT(pool, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_engine(tensorrt_graph, manifest.profiles, BuilderSettings(), recorder)
    assert len(recorder.done) <= 5
