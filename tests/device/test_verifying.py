from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_key import Machine, checked_sidecar
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.pack import GOLDEN_FILE
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, BundleMismatchError, ParityError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.ladder import Ladder, OpenEngine
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_device.cli import app
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack, load_pack
from edgeclip_device.verifying import Verdict, Verification, verify_backends
from support.cuda_stand_in import memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))


@pytest.fixture
def own(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with an engine in it, that a test may damage."""
    folder = Path(copytree(bundle, tmp_path / "bundle"))
    write_engine(folder, key_of(read_bundle(folder), NANO), ENGINE)
    return folder


def _pack(bundle: Path) -> LoadedPack:
    return load_pack(InferenceSettings(bundle=bundle))


def _open(bundle: Path, engine: Path, precision: str) -> Backend:
    api = TensorRtApi(StandIn(bundle / GRAPH_FILE).module)
    return TensorRtBackend(engine, precision, api=api, memory=memory())


def _found(
    bundle: Path, pack: LoadedPack | None = None, opens: OpenEngine | None = None, **table: str
) -> Verification:
    settings = InferenceSettings.model_validate({"bundle": bundle, **table})
    ladder = Ladder(lambda: NANO, opens or partial(_open, bundle))
    return verify_backends(pack or _pack(bundle), settings, ladder)


def _verify(bundle: Path, backend: str = "auto", pack: LoadedPack | None = None) -> list[Verdict]:
    return list(_found(bundle, pack, backend=backend).verdicts)


def _swap_golden(bundle: Path, tmp_path: Path) -> LoadedPack:
    """Return the pack with golden probabilities that nothing computes."""
    pack = _pack(bundle)
    folder = Path(copytree(pack.folder, tmp_path / "pack"))
    with np.load(folder / GOLDEN_FILE) as arrays:
        golden = dict(arrays)
    golden["probabilities"] = golden["probabilities"][:, ::-1]
    np.savez(folder / GOLDEN_FILE, **golden)
    return replace(pack, folder=folder)


def test_engine_and_onnx_runtime_are_judged_on_all_golden_frames(own: Path) -> None:
    engine, other = _verify(own)
    assert (engine.backend, engine.rung, engine.serves) == ("tensorrt", "fp16", True)
    assert (other.backend, other.rung, other.serves) == ("onnxruntime", "fp32", True)
    with np.load(_pack(own).folder / GOLDEN_FILE) as arrays:
        count = len(arrays["images"])
    assert engine.parity is not None
    assert engine.parity.images == count > 3


def test_what_was_found_stands_in_the_engines_sidecar(own: Path) -> None:
    (engine,) = (own / "engines").glob("*.engine")
    assert checked_sidecar(engine).parity is None
    _verify(own, "tensorrt")
    sidecar = checked_sidecar(engine)
    assert sidecar.parity is not None
    assert sidecar.parity["probability"] < 1e-5
    assert sidecar.problems == []


def test_an_engine_that_computes_something_else_is_refused_from_then_on(
    own: Path, tmp_path: Path
) -> None:
    pack = _swap_golden(own, tmp_path)
    found = _found(own, pack, backend="tensorrt")
    assert found.serves is None
    with pytest.raises(ParityError, match=r"tensorrt, rung fp16: .*probability off by .* another"):
        found.require_all(own)
    with pytest.raises(BundleMismatchError, match="has no engine for this machine"):
        _verify(own, "tensorrt")


def test_with_auto_an_absent_engine_is_said_and_onnx_runtime_serves(bundle: Path) -> None:
    found = _found(bundle)
    engine, other = found.verdicts
    assert "has no engine for this machine" in engine.absent
    assert other.serves
    assert found.alarm == engine.absent
    found.require_all(bundle)


def test_every_rung_is_judged_and_the_one_that_a_start_would_take_is_said(own: Path) -> None:
    write_engine(own, key_of(read_bundle(own), NANO, "fp16-attn32"), ENGINE)

    def opens(engine: Path, precision: str) -> Backend:
        if precision == "fp16":
            raise BackendError("TensorRT: could not make a context: no kernel")
        return _open(own, engine, precision)

    found = _found(own, None, opens)
    assert [(v.rung, v.serves) for v in found.verdicts] == [
        ("fp16", False), ("fp16-attn32", True), ("fp32", True)
    ]  # fmt: skip
    assert found.serves is found.verdicts[1]
    assert found.alarm == "tensorrt fp16: TensorRT: could not make a context: no kernel"
    with pytest.raises(BackendError, match="rung fp16: TensorRT: could not make a context"):
        found.require_all(own)
    assert "no kernel" in _found(own).alarm  # and is so from then on


def test_a_named_precision_alone_is_judged(own: Path) -> None:
    write_engine(own, key_of(read_bundle(own), NANO, "fp32"), ENGINE)
    found = _found(own, precision="fp32")
    assert [(v.backend, v.rung) for v in found.verdicts] == [
        ("tensorrt", "fp32"), ("onnxruntime", "fp32")
    ]  # fmt: skip
    assert found.alarm == ""


def test_a_backend_that_is_named_must_be_there(bundle: Path) -> None:
    with pytest.raises(BundleMismatchError, match="has no engine for this machine"):
        _verify(bundle, "tensorrt")


def test_where_no_backend_is_that_is_an_error(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SetupError, match=r"no engine for this machine.*edgeclip\[cpu\]"):
        _verify(bundle)


def test_a_sidecar_that_cannot_be_written_is_said_and_judges_nothing(
    own: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edgeclip.contract.engine_faults.record_parity", refuse)
    (verdict,) = _verify(own, "tensorrt")
    assert verdict.serves
    assert "its sidecar cannot be written" in caplog.text


def test_the_command_says_which_backend_serves_and_on_which_rung(bundle: Path) -> None:
    done = CliRunner().invoke(app, ["verify", "--bundle", str(bundle), "--backend", "onnxruntime"])
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert first.startswith("✓ onnxruntime, rung fp32: ")
    assert last == "leopard@1.0.0 is served by onnxruntime, rung fp32"


def test_the_command_prints_json_with_why_a_backend_is_absent(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    done = CliRunner().invoke(app, ["verify", "--bundle", str(bundle), "--json"])
    facts = json.loads(done.stdout)
    assert (facts["serves"], facts["rung"]) == ("onnxruntime", "fp32")
    assert [each["passed"] for each in facts["backends"]] == [None, True]
    assert "no TensorRT can be imported" in facts["backends"][0]["absent"]
