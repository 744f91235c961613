from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_key import Machine, checked_sidecar, engine_file, survey_engines
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import BundleDamagedError, BundleMismatchError, BundleMissingError
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine import this_machine
from edgeclip_export.engine_files import engine_key, prepare_engine
from edgeclip_export.progress import SilentProgress

NANO = Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 8))


@pytest.mark.parametrize(
    "change", [{"workspace_mb": 1024}, {"optimisation_level": 1}, {"precision": "fp32"}]
)
def test_whatever_is_asked_of_the_builder_is_in_the_key(
    change: dict[str, object], manifest: BundleManifest
) -> None:
    graph = manifest.graph_for("tensorrt")
    config = dataclasses.replace(EngineConfig(), **change)  # type: ignore[arg-type]
    keys = {engine_key(manifest, graph, each, NANO).digest() for each in (EngineConfig(), config)}
    assert len(keys) == 2


def test_building_again_on_purpose_is_not_in_the_key(manifest: BundleManifest) -> None:
    graph = manifest.graph_for("tensorrt")
    again = EngineConfig(rebuild=True)
    keys = {engine_key(manifest, graph, each, NANO).digest() for each in (EngineConfig(), again)}
    assert len(keys) == 1


@pytest.mark.rtx
def test_an_engine_is_written_with_its_sidecar_and_found_again(
    bundle: Path, manifest: BundleManifest
) -> None:
    built = prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert not built.was_there
    assert built.path == engine_file(bundle, built.sidecar.key)
    assert sha256_file(built.path) == built.sidecar.engine_sha256
    assert checked_sidecar(built.path) == built.sidecar
    found = prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert found.was_there
    assert found.sidecar == built.sidecar
    survey = survey_engines(bundle, manifest, this_machine())
    assert [path for path, _ in survey.fitting] == [built.path]
    assert survey_engines(bundle, manifest, NANO).fitting == ()


@pytest.mark.rtx
def test_single_precision_is_built_from_the_graph_that_onnx_runtime_runs(
    bundle: Path, manifest: BundleManifest
) -> None:
    result = prepare_engine(bundle, EngineConfig(precision="fp32"), SilentProgress())
    graph = manifest.graph_for("onnxruntime").file
    assert result.sidecar.made_from.graph_sha256 == manifest.files[graph].sha256


def _cut_short(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-1])


def _lose_the_sidecar(engine: Path) -> None:
    engine.with_suffix(".json").unlink()


def _claim_another_version(engine: Path) -> None:
    path = engine.with_suffix(".json")
    content = json.loads(path.read_text())
    content["made_from"]["machine"]["runtime_version"] = "1.0.0"
    path.write_text(json.dumps(content))


@pytest.mark.rtx
@pytest.mark.parametrize("damage", [_cut_short, _lose_the_sidecar, _claim_another_version])
def test_an_engine_that_is_damaged_or_stale_is_built_again(damage: object, bundle: Path) -> None:
    assert callable(damage)
    first = prepare_engine(bundle, EngineConfig(), SilentProgress())
    damage(first.path)
    second = prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert not second.was_there
    assert checked_sidecar(second.path) == second.sidecar


@pytest.mark.rtx
def test_an_engine_that_fits_is_built_again_if_asked(bundle: Path) -> None:
    prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert not prepare_engine(bundle, EngineConfig(rebuild=True), SilentProgress()).was_there


@pytest.mark.rtx
def test_a_bundle_stays_whole_with_engines_in_it(bundle: Path) -> None:
    prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert prepare_engine(bundle, EngineConfig(), SilentProgress()).was_there  # reads all hashes


def test_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="edgeclip-export bundle"):
        prepare_engine(tmp_path, EngineConfig(), SilentProgress())


def test_an_altered_graph_is_never_built(bundle: Path, manifest: BundleManifest) -> None:
    graph = bundle / manifest.graph_for("tensorrt").file
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(BundleDamagedError, match="was altered or cut short"):
        prepare_engine(bundle, EngineConfig(), SilentProgress())
    assert not (bundle / "engines").exists()


def test_a_bundle_without_a_graph_of_that_precision_says_so(bundle: Path) -> None:
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["graphs"] = [graph for graph in content["graphs"] if graph["rung"] == "fp32"]
    path.write_text(json.dumps(content))
    with pytest.raises(BundleMismatchError, match="the bundle has no fp16 graph"):
        prepare_engine(bundle, EngineConfig(), SilentProgress())
