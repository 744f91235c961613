"""A bundle with its pack baked in: the device runs it, and binds no other pack to it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeclip.contract.bundle import MANIFEST_FILE, read_bundle
from edgeclip.contract.engine_key import Machine
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, BundleDamagedError, BundleMismatchError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_device.cli import app
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import load_pack
from edgeclip_device.verifying import verify_backends
from support.cuda_stand_in import memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE, GREEN, RED, TinyPack, solid, write_tiny_bundle

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))
BOTH = np.concatenate([solid(RED), solid(GREEN)])


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("baked") / "bundle", baked=True)


@pytest.fixture(params=["onnxruntime", "tensorrt"])
def backend(request: pytest.FixtureRequest, baked: Path, tmp_path: Path) -> Backend:
    """Each backend, with nothing bound; TensorRT by its stand-in."""
    graph = baked / GRAPH_FILE
    if request.param == "onnxruntime":
        return OnnxRuntimeBackend(graph, threads=1)
    engine = tmp_path / "a.engine"
    engine.write_bytes(ENGINE)
    api = TensorRtApi(StandIn(graph, baked=True).module)
    return TensorRtBackend(engine, "fp16", api=api, memory=memory())


def test_every_backend_runs_it_and_computes_what_the_slots_would(
    backend: Backend, baked: Path, bundle: Path
) -> None:
    backend.bind(load_pack(InferenceSettings(bundle=baked)).slots)
    other = OnnxRuntimeBackend(bundle / GRAPH_FILE, threads=1)
    other.bind(load_pack(InferenceSettings(bundle=bundle)).slots)
    ours, theirs = backend.run(BOTH), other.run(BOTH)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-6)
    assert ours.probabilities.shape == (2, 2)


def test_a_pack_that_is_bound_to_it_is_refused(backend: Backend, bundle: Path) -> None:
    slots = load_pack(InferenceSettings(bundle=bundle)).slots
    with pytest.raises(
        BackendError, match="a pack is baked into this graph, no other can be bound"
    ):
        backend.bind(slots)
    with pytest.raises(BackendError, match="no pack is bound"):
        backend.run(BOTH)


def test_its_manifest_says_so_and_its_pack_has_no_slots(baked: Path) -> None:
    pack = load_pack(InferenceSettings(bundle=baked))
    assert pack.bundle_manifest.baked
    assert pack.slots == {}
    assert pack.thresholds.keys() == {"leopard"}


def test_another_task_is_refused_with_how_to_get_it(baked: Path) -> None:
    with pytest.raises(BundleMismatchError, match="it has leopard, baked into its graphs: export"):
        load_pack(InferenceSettings(bundle=baked, task="wolf"))


def test_golden_outputs_are_checked_and_the_log_says_that_it_is_baked(
    baked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        settings = InferenceSettings(bundle=baked, backend="onnxruntime")
        open_backend(load_pack(settings), settings).close()
    assert "runs pack leopard@1.0.0, with it baked in" in caplog.text


def test_golden_outputs_of_another_pack_are_seen(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "bundle", [TinyPack(scale=2.0)], baked=True)
    other = write_tiny_bundle(tmp_path / "other", [TinyPack(scale=40.0)], baked=True)
    graph = (other / GRAPH_FILE).read_bytes()
    (folder / GRAPH_FILE).write_bytes(graph)
    document = json.loads((folder / MANIFEST_FILE).read_text())
    theirs = json.loads((other / MANIFEST_FILE).read_text())
    document["files"][GRAPH_FILE] = theirs["files"][GRAPH_FILE]
    (folder / MANIFEST_FILE).write_text(json.dumps(document))
    settings = InferenceSettings(bundle=folder, backend="onnxruntime")
    with pytest.raises(BackendError, match="does not compute what the exporter did"):
        open_backend(load_pack(settings), settings)


def test_replay_runs_it(baked: Path, crossing_clip: Path, tmp_path: Path) -> None:
    arguments = ["replay", str(crossing_clip), "--bundle", str(baked), "--json"]
    result = CliRunner().invoke(app, [*arguments, "--state", str(tmp_path / "state")])
    assert result.exit_code == 0, result.output
    assert '"leopard"' in result.output


def test_verify_finds_both_backends_right(baked: Path, tmp_path: Path) -> None:
    folder = Path(copytree(baked, tmp_path / "bundle"))
    write_engine(folder, key_of(read_bundle(folder), NANO), ENGINE)
    settings = InferenceSettings(bundle=folder)
    api = TensorRtApi(StandIn(folder / GRAPH_FILE, baked=True).module)

    def opens(engine: Path, precision: str) -> Backend:
        return TensorRtBackend(engine, precision, api=api, memory=memory())

    found = verify_backends(load_pack(settings), settings, Ladder(lambda: NANO, opens))
    serving = {verdict.backend for verdict in found.verdicts if verdict.serves}
    assert serving == {"tensorrt", "onnxruntime"}
    found.require_all(folder)


def test_verify_on_the_command_line_says_what_serves(baked: Path) -> None:
    arguments = ["verify", "--bundle", str(baked), "--backend", "onnxruntime"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "leopard@1.0.0 is served by onnxruntime, rung fp32" in result.output


def _spoilt(bundle: Path, folder: Path, **changes: object) -> Path:
    folder.mkdir()
    document = json.loads((bundle / MANIFEST_FILE).read_text()) | changes
    (folder / MANIFEST_FILE).write_text(json.dumps(document))
    return folder


def test_a_manifest_that_denies_it_is_refused(baked: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleDamagedError, match="baked does not agree with the inputs"):
        read_bundle(_spoilt(baked, tmp_path / "bundle", baked=False))


def test_a_second_pack_in_it_is_refused(baked: Path, tmp_path: Path) -> None:
    packs = json.loads((baked / MANIFEST_FILE).read_text())["packs"]
    with pytest.raises(BundleDamagedError, match="a baked bundle has one pack, this one names 2"):
        read_bundle(_spoilt(baked, tmp_path / "bundle", packs=packs * 2))
