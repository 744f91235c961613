from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_host import EngineHost
from edgeclip.contract.engine_key import Machine, checked_sidecar
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.signing import make_key
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import (
    BackendError,
    BundleMismatchError,
    EngineRefusedError,
    ParityError,
    SetupError,
)
from edgeclip_export.checks import Check
from edgeclip_export.sign import sign_bundle
from edgeclip_export.verify import verify_bundle
from support.cuda_stand_in import FakeDriver, memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE, TinyPack, write_tiny_bundle

ORIN = Gpu("Orin", "8.7", 8)
NANO = Machine.of("tensorrt", "10.3.0", ORIN)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A bundle of two packs, and an engine of it that the stand-in loads."""
    trio = TinyPack(
        task="trio", classes=(("fox", "animal"), ("blank", "blank"), ("grass", "blank"))
    )
    bundle = write_tiny_bundle(tmp_path / "bundle", [TinyPack(), trio])
    write_engine(bundle, key_of(read_bundle(bundle), NANO), ENGINE)
    return bundle


def _absent() -> ModuleType:
    raise SetupError("no TensorRT can be imported")


def _hosts(bundle: Path, **changes: Any) -> dict[str, EngineHost]:
    api = TensorRtApi(StandIn(bundle / GRAPH_FILE).module)
    parts: dict[str, Any] = {"api": api, "find": lambda: ORIN, "memory": memory} | changes
    absent = EngineHost("tensorrt_rtx", TensorRtApi(_absent))
    return {"trt": EngineHost("tensorrt", **parts), "rtx": absent}


def _lines(bundle: Path, backend: str | None = None, **changes: Any) -> list[str]:
    shown: list[Check] = []
    verify_bundle(bundle, shown.append, backend=backend, hosts=_hosts(bundle, **changes))
    return [check.line() for check in shown]


def test_every_backend_that_is_here_computes_and_the_others_say_why_not(own: Path) -> None:
    lines = _lines(own)
    assert sum("ONNX Runtime" in line for line in lines) == 8
    leopard, trio, absent = lines[-3:]
    assert leopard.startswith("✓ leopard 1.0.0, tensorrt, rung fp16  1 - cosine ")
    assert trio.startswith("✓ trio 1.0.0, tensorrt, rung fp16")
    assert absent == "- backend rtx  absent: no TensorRT can be imported"


def test_what_an_engine_was_found_to_compute_stands_in_its_sidecar(own: Path) -> None:
    _lines(own, "trt")
    (engine,) = (own / "engines").glob("*.engine")
    parity = checked_sidecar(engine).parity
    assert parity is not None
    assert parity["other_decisions"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"find": lambda: None}, "tensorrt 10.3.0 is here, but no GPU"),
        ({"find": lambda: Gpu("Orin", "8.7", 16)}, "has no engine of tensorrt for this machine"),
    ],
)
def test_a_backend_that_is_named_must_be_here(
    own: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises((SetupError, BundleMismatchError), match=words):
        _lines(own, "trt", **changes)
    (line,) = (line for line in _lines(own, **changes) if line.startswith("- backend trt"))
    assert words in line


def test_an_engine_is_held_against_onnx_runtime_on_frames_of_a_folder(
    own: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    for red in (30, 200):
        image = np.full((40, 60, 3), (40, 40, red), np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{red}.png"), image)
    shown: list[Check] = []
    hosts = _hosts(own)
    verify_bundle(own, shown.append, backend="trt", hosts=hosts, frames=tmp_path / "images")
    lines = [check.line() for check in shown if "frames of yours" in check.name]
    assert len(lines) == 2  # of each pack
    assert all(line.startswith("✓") and line.endswith("on 2 images") for line in lines)
    wrong = _hosts(own, api=TensorRtApi(StandIn(own / GRAPH_FILE, fails={"values"}).module))
    with pytest.raises(ParityError):
        verify_bundle(own, shown.append, backend="trt", hosts=wrong, frames=tmp_path / "images")
    assert [check.passed for check in shown[-4:]] == [False] * 4
    verify_bundle(own, shown.append, backend="ort", hosts=hosts, frames=tmp_path / "images")
    assert shown[-1].line().startswith("- 2 frames of yours  no engine here to hold against")


def test_with_a_key_an_engine_is_loaded_only_where_it_is_named(own: Path, tmp_path: Path) -> None:
    public = make_key(tmp_path / "team")
    sign_bundle(own, tmp_path / "team")
    shown: list[Check] = []
    verify_bundle(own, shown.append, [public], hosts=_hosts(own))
    assert shown[-2].line() == (
        "- backend trt  not run: engines are made on each machine, and the signature is not of"
        " them; --backend trt runs this machine's even so"
    )
    verify_bundle(own, shown.append, [public], backend="trt", hosts=_hosts(own))
    assert shown[-1].line().startswith("✓ trio 1.0.0, tensorrt, rung fp16")


def test_an_engine_that_decides_otherwise_is_refused_and_remembered(own: Path) -> None:
    with pytest.raises(ParityError, match="tensorrt, rung fp16"):
        _lines(own, "trt", api=TensorRtApi(StandIn(own / GRAPH_FILE, fails={"values"}).module))
    with pytest.raises(BundleMismatchError, match="computes something else than the exporter"):
        _lines(own, "trt")


def test_an_engine_that_cannot_run_hides_no_other_backend(own: Path) -> None:
    shown: list[Check] = []
    hosts = _hosts(own, api=TensorRtApi(StandIn(own / GRAPH_FILE, fails={"context"}).module))
    turned = {"rtx": hosts["rtx"], "trt": hosts["trt"]}
    with pytest.raises(BackendError, match="could not make a context"):
        verify_bundle(own, shown.append, hosts=turned)
    assert [check.passed for check in shown if "ONNX Runtime" in check.name] == [True] * 8
    assert [check.passed for check in shown if check.name.startswith("backend")] == [False, None]
    with pytest.raises(BundleMismatchError, match="could not make a context"):
        _lines(own, "trt")  # it is known for that, and the next build takes the next rung


def test_an_engine_that_is_none_gives_the_memory_back_and_is_set_aside(own: Path) -> None:
    driver = FakeDriver()
    api = TensorRtApi(StandIn(own / GRAPH_FILE, fails={"deserialize"}).module)
    with pytest.raises(EngineRefusedError, match="could not load"):
        _lines(own, "trt", api=api, memory=lambda: memory(driver))
    assert (driver.buffers, driver.released) == ({}, 1)
    (reason,) = (own / "engines/aside").glob("*.txt")
    assert "could not load" in reason.read_text()


def test_a_sidecar_that_cannot_be_written_is_said_and_judges_nothing(
    own: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edgeclip.contract.engine_faults.record_parity", refuse)
    assert _lines(own, "trt")[-1].startswith("✓ trio 1.0.0, tensorrt")
    assert "its sidecar cannot be written" in caplog.text
