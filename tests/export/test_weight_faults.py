"""A weight file that was cut, altered or lost is refused by whoever would load it, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeclip.clip import Backbone
from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip.errors import BackendError, BundleDamagedError, GateError
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.checks import Check
from edgeclip_export.config import BuilderSettings, BundleConfig
from edgeclip_export.engine import build_engine
from edgeclip_export.gates import weight_checks
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.progress import SilentProgress
from support.tiny_packs import TinyEncoder, random_tensors, write_encoder, write_tiny_pack


def _weights(bundle: Path) -> Path:
    return next(bundle.glob("backbone/*/weights.fp16.bin"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def _remove(path: Path) -> None:
    path.unlink()


FAULTS = pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_cut, "altered or cut short"),
        (_flip_a_byte, "altered or cut short"),
        (_remove, "is missing"),
    ],
    ids=["cut short", "one byte flipped", "missing"],
)


@FAULTS
def test_reading_the_bundle_finds_it(
    fault: Callable[[Path], None], message: str, bundle: Path
) -> None:
    fault(_weights(bundle))
    with pytest.raises(BundleDamagedError, match=rf"weights\.fp16\.bin.*{message}"):
        read_bundle(bundle)


@pytest.mark.parametrize("fault", [_cut, _remove], ids=["cut short", "missing"])
@pytest.mark.parametrize(
    "load", [OrtGraph, lambda path: OnnxRuntimeBackend(path, threads=1)], ids=["export", "device"]
)
def test_onnx_runtime_refuses_a_graph_without_its_weights(
    load: Callable[[Path], object],
    fault: Callable[[Path], None],
    bundle: Path,
    manifest: BundleManifest,
) -> None:
    fault(_weights(bundle))
    with pytest.raises(BackendError, match=r"ONNX Runtime cannot load .*model\.cpu\.onnx") as error:
        load(bundle / manifest.graph_for("onnxruntime").file)
    assert "\n" not in str(error.value)


@pytest.mark.rtx
@pytest.mark.parametrize("fault", [_cut, _remove], ids=["cut short", "missing"])
def test_the_builder_refuses_a_graph_without_its_weights(
    fault: Callable[[Path], None], bundle: Path, manifest: BundleManifest
) -> None:
    fault(_weights(bundle))
    graph = bundle / manifest.graph_for("tensorrt").file
    with pytest.raises(BackendError, match=r"weights\.fp16\.bin") as error:
        build_engine(graph, manifest.profiles, BuilderSettings(), SilentProgress())
    assert "\n" not in str(error.value)


@pytest.mark.rtx
def test_every_graph_of_the_ladder_becomes_an_engine(
    manifest: BundleManifest, bundle: Path
) -> None:
    for graph in manifest.graphs:
        engine = build_engine(
            bundle / graph.file, manifest.profiles, BuilderSettings(), SilentProgress()
        )
        assert len(engine) > manifest.base.params, graph.rung


def _encoder_with(folder: Path, value: float) -> TinyEncoder:
    encoder = write_encoder(folder)
    tensors = load_file(encoder.weights)
    tensors["visual.conv1.weight"][0, 0, 0, 0] = value
    save_file(tensors, encoder.weights)
    return encoder


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "weights are finite  visual.conv1.weight is not"),
        (float("inf"), "weights are finite  visual.conv1.weight is not"),
        (1e5, r"weights in half precision  1\.00e\+05 \(at most 65504\)"),
    ],
)
def test_weights_that_are_no_numbers_or_too_large_for_half_precision_are_refused(
    value: float, message: str, backbone: Backbone, tmp_path: Path
) -> None:
    pack, out = tmp_path / "pack", tmp_path / "out"
    encoder = _encoder_with(tmp_path / "encoder", value)
    spoilt = encoder.load()
    told = backbone.base.model_copy(update={"weights_sha256": spoilt.base.weights_sha256})
    tensors = random_tensors(1, columns=3, names=())
    write_tiny_pack(pack, _named(backbone, told), tensors)
    config = BundleConfig(pack, out, str(encoder.config), str(encoder.weights))
    with pytest.raises(GateError, match=message) as error:
        write_bundle(config, list[Check]().append)
    assert "\n" not in str(error.value)
    assert not out.exists()


def _named(backbone: Backbone, base: object) -> Backbone:
    from dataclasses import replace

    return replace(backbone, base=base)  # type: ignore[arg-type]


def test_sound_weights_are_told_with_their_range(backbone: Backbone) -> None:
    finite, half = weight_checks(backbone)
    assert (finite.passed, half.passed) == (True, True)
    largest = max(float(value.max()) for value in backbone.tower.state_dict().values())
    assert half.note.endswith(f"to {largest:.3g}")
    assert torch.isfinite(torch.tensor(half.value))
