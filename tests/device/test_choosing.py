from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.pack import GOLDEN_FILE
from edgeclip.errors import BackendError, BundleMismatchError, PackError, SetupError
from edgeclip_device.backends.choosing import choose_backend, open_backend
from edgeclip_device.backends.golden import golden_frames
from edgeclip_device.config import DeviceSettings, InferenceSettings
from edgeclip_device.detect import detect
from edgeclip_device.packs import load_pack


def test_the_backend_that_runs_is_logged_with_its_precision_and_pack(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime")
    with caplog.at_level(logging.INFO):
        chosen = choose_backend(load_pack(settings), settings)
    assert (chosen.backend.name, chosen.backend.precision) == ("onnxruntime", "fp32")
    assert "backend onnxruntime fp32, rung 4 of 4, runs pack leopard@1.0.0" in caplog.text
    assert chosen.alarm == ""  # it was asked for by name


@pytest.fixture
def _no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # importing it fails, installed or not


@pytest.mark.usefixtures("_no_tensorrt")
def test_auto_without_tensorrt_says_why_onnx_runtime_takes_over(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = InferenceSettings(bundle=bundle)
    chosen = choose_backend(load_pack(settings), settings)
    assert (chosen.backend.name, chosen.rung) == ("onnxruntime", 4)
    assert chosen.alarm.startswith("no TensorRT can be imported")
    assert "does not serve here" in chosen.alarm  # TensorRT for RTX, should it be installed
    assert "edgeclip[rtx]" not in chosen.alarm
    assert f"alarm degraded_precision: rung 4 of 4: {chosen.alarm}" in caplog.text


@pytest.mark.usefixtures("_no_tensorrt")
def test_a_rung_below_the_first_is_told_once_a_start(
    make_settings: Callable[..., DeviceSettings], still_clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(camera={"source": str(still_clip)}, inference={"backend": "auto"})
    for _ in range(2):  # the alarm stands from the first on
        caplog.clear()
        detect(settings, threading.Event())
        told = [record for record in caplog.records if "no TensorRT" in record.getMessage()]
        assert len(told) == 1


@pytest.mark.usefixtures("_no_tensorrt")
def test_tensorrt_by_name_is_never_replaced_in_silence(bundle: Path) -> None:
    settings = InferenceSettings(bundle=bundle, backend="tensorrt")
    with pytest.raises(SetupError, match="no TensorRT can be imported"):
        open_backend(load_pack(settings), settings)


def test_a_missing_onnx_runtime_names_the_extra(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime")
    with pytest.raises(SetupError, match=r"edgeclip\[cpu\]"):
        open_backend(load_pack(settings), settings)


def test_an_onnx_runtime_that_the_bundle_was_not_made_for_is_refused(bundle: Path) -> None:
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime")
    pack = load_pack(settings)
    needs = pack.bundle_manifest.model_copy(update={"requires": {"onnxruntime": ">=99"}})
    with pytest.raises(BundleMismatchError, match="the bundle needs onnxruntime >=99, here is 1"):
        open_backend(replace(pack, bundle_manifest=needs), settings)


def test_a_backend_that_computes_something_else_is_refused(bundle: Path, tmp_path: Path) -> None:
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime")
    pack = load_pack(settings)
    folder = Path(shutil.copytree(pack.folder, tmp_path / "pack"))
    with np.load(folder / GOLDEN_FILE) as arrays:
        golden = dict(arrays)
    golden["probabilities"] = golden["probabilities"][:, ::-1]
    np.savez(folder / GOLDEN_FILE, **golden)
    with pytest.raises(BackendError, match=r"does not compute what the exporter did: .*0\.02"):
        open_backend(replace(pack, folder=folder), settings)


@pytest.mark.parametrize("data", [b"", b"rubbish"])
def test_golden_outputs_that_cannot_be_read_are_named(
    bundle: Path, tmp_path: Path, data: bytes
) -> None:
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime")
    (tmp_path / GOLDEN_FILE).write_bytes(data)
    with pytest.raises(PackError, match=r"golden\.npz cannot be read"):
        open_backend(replace(load_pack(settings), folder=tmp_path), settings)


def test_the_frames_of_a_start_are_spread_over_all_so_that_a_real_one_is_among_them(
    bundle: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "spread"))
    pack = load_pack(InferenceSettings(bundle=folder))
    with np.load(pack.folder / GOLDEN_FILE) as arrays:
        golden: dict[str, Any] = {n: np.repeat(a[:1], 8, axis=0) for n, a in arrays.items()}
    golden["images"][:, 0, 0, 0] = np.arange(8)
    np.savez(pack.folder / GOLDEN_FILE, **golden)
    frames = golden_frames(pack, 3)[0]
    assert frames[:, 0, 0, 0].tolist() == [0, 4, 7]
    assert len(golden_frames(pack)[0]) == len(golden_frames(pack, 99)[0]) == 8
