from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.contract.bundle import BundleManifest, Profile
from edgeclip.contract.engine_key import (
    Machine,
    checked_sidecar,
    engine_file,
    survey_engines,
)
from edgeclip.contract.engine_record import record_parity
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.locks import drop_lock, take_lock
from edgeclip.errors import (
    BundleDamagedError,
    BundleMismatchError,
    BundleMissingError,
    ParityError,
    SetupError,
)
from edgeclip_export.bundle_writer import BundleResult
from edgeclip_export.checks import Check
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine_files import EngineResult, dry_run, prepare_engine
from edgeclip_export.progress import SilentProgress
from edgeclip_export.tensorrt_runtime import this_machine

NANO = Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 8))


def _prepare(
    bundle: Path, config: EngineConfig | None = None, told: list[Check] | None = None
) -> EngineResult:
    hear = told.append if told is not None else list[Check]().append
    return prepare_engine(bundle, config or EngineConfig(), SilentProgress(), hear)


@pytest.fixture(scope="module")
def built_once(export: BundleResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with its engine."""
    bundle = tmp_path_factory.mktemp("built") / "bundle"
    shutil.copytree(export.folder, bundle)
    assert not _prepare(bundle).was_there
    return bundle


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Path:
    """A copy of a bundle with its engine, that a test may damage."""
    return Path(shutil.copytree(built_once, tmp_path / "built"))


@pytest.mark.rtx
def test_an_engine_is_written_with_its_sidecar_and_found_again(
    built: Path, manifest: BundleManifest
) -> None:
    found = _prepare(built)
    assert found.was_there
    assert found.path == engine_file(built, found.sidecar.key)
    assert sha256_file(found.path) == found.sidecar.engine_sha256
    assert checked_sidecar(found.path) == found.sidecar
    survey = survey_engines(built, manifest, this_machine())
    assert [path for path, _ in survey.fitting] == [found.path]
    assert survey_engines(built, manifest, NANO).fitting == ()


@pytest.mark.rtx
def test_nothing_but_the_engine_and_its_sidecar_is_left(built: Path) -> None:
    path = _prepare(built).path
    left = {each.name for each in path.parent.iterdir()}
    assert left == {path.name, path.with_suffix(".json").name}


@pytest.mark.rtx
def test_the_sidecar_says_what_was_built_by_what_and_what_it_took(built: Path) -> None:
    sidecar = _prepare(built).sidecar
    machine = sidecar.made_from.machine
    assert sidecar.made_from.flags == ["STRONGLY_TYPED"]
    assert sidecar.versions[machine.runtime] == machine.runtime_version
    assert {"edgeclip", "python"} <= sidecar.versions.keys()
    assert sidecar.build_s > 0
    assert sidecar.peak_rss_mb > 10
    assert sidecar.engine_size_bytes == _prepare(built).path.stat().st_size


@pytest.mark.rtx
def test_single_precision_is_built_from_the_graph_that_onnx_runtime_runs(
    bundle: Path, manifest: BundleManifest
) -> None:
    result = _prepare(bundle, EngineConfig(precision="fp32"))
    graph = manifest.graph_for("onnxruntime").file
    assert result.sidecar.made_from.graph_sha256 == manifest.files[graph].sha256


def _cut_short(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-1])


def _empty(engine: Path) -> None:
    engine.write_bytes(b"")


def _lose_the_sidecar(engine: Path) -> None:
    engine.with_suffix(".json").unlink()


def _garble_the_sidecar(engine: Path) -> None:
    engine.with_suffix(".json").write_bytes(b"\xff{")


def _claim_another_version(engine: Path) -> None:
    path = engine.with_suffix(".json")
    content = json.loads(path.read_text())
    content["made_from"]["machine"]["runtime_version"] = "1.0.0"
    path.write_text(json.dumps(content))


@pytest.mark.rtx
@pytest.mark.parametrize(
    "damage",
    [_cut_short, _empty, _lose_the_sidecar, _garble_the_sidecar, _claim_another_version],
)
def test_an_engine_that_is_damaged_is_set_aside_and_built_again(
    damage: Callable[[Path], None], built: Path
) -> None:
    first = _prepare(built)
    damage(first.path)
    damaged = first.path.read_bytes()
    told: list[Check] = []
    second = _prepare(built, told=told)
    assert not second.was_there
    assert checked_sidecar(second.path) == second.sidecar
    assert told[0].line().startswith(f"- set aside {first.path.name}  ")
    aside = built / "engines/aside" / first.path.name
    assert aside.read_bytes() == damaged
    assert aside.with_suffix(".txt").read_text() == f"{told[0].note}\n"


@pytest.mark.rtx
def test_an_engine_that_cannot_be_set_aside_is_said_in_one_line(built: Path) -> None:
    _empty(_prepare(built).path)
    (built / "engines/aside").write_text("a file in the folder's place")
    with pytest.raises(SetupError, match=r"cannot be moved to aside/ \(File exists\)"):
        _prepare(built)


@pytest.mark.rtx
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device_name": "Orin"}, "built for device_name 'Orin', here it is"),
        ({"runtime_version": "1.0.0"}, "built for runtime_version '1.0.0', here it is"),
    ],
)
def test_an_engine_of_another_machine_is_set_aside_with_the_reason(
    changes: dict[str, str], reason: str, built: Path
) -> None:
    foreign = _remade_for(_prepare(built), changes)
    told: list[Check] = []
    assert _prepare(built, told=told).was_there
    assert [check.name for check in told] == [f"set aside {foreign.name}"]
    assert reason in told[0].note
    assert not foreign.exists()
    assert (built / "engines/aside" / foreign.with_suffix(".json").name).is_file()


@pytest.mark.rtx
def test_an_engine_of_another_runtime_on_this_machine_stays(built: Path) -> None:
    other = _remade_for(_prepare(built), {"runtime": "tensorrt"})
    told: list[Check] = []
    _prepare(built, told=told)
    assert told == []
    assert other.exists()


@pytest.mark.rtx
def test_an_engine_for_other_sizes_than_the_bundles_is_stale(
    built: Path, manifest: BundleManifest
) -> None:
    first = _prepare(built)
    profiles = manifest.profiles | {"B": Profile(min=1, opt=1, max=2)}
    changed = manifest.model_copy(update={"profiles": profiles})
    (built / "manifest.json").write_text(changed.to_json())
    told: list[Check] = []
    second = _prepare(built, told=told)
    assert "built for other sizes" in told[0].note
    assert (second.was_there, second.path == first.path) == (False, False)


def _remade_for(result: EngineResult, changes: dict[str, str]) -> Path:
    """Write the same engine as if it had been built on another machine."""
    sidecar = result.sidecar
    machine = sidecar.made_from.machine.model_copy(update=changes)
    key = sidecar.made_from.model_copy(update={"machine": machine})
    path = result.path.with_name(f"{key.digest()[:16]}.engine")
    path.write_bytes(result.path.read_bytes())
    remade = sidecar.model_copy(update={"made_from": key, "key": key.digest()})
    path.with_suffix(".json").write_text(remade.to_json())
    return path


@pytest.mark.rtx
def test_an_engine_that_fits_is_built_again_if_asked(built: Path) -> None:
    _prepare(built)
    assert not _prepare(built, EngineConfig(rebuild=True)).was_there


@pytest.mark.rtx
def test_auto_goes_down_the_ladder_after_a_rung_that_failed_its_check(built: Path) -> None:
    first = _prepare(built)
    record_parity(first.path, first.sidecar, {"probability": 0.3}, ["probability off by 0.3"])
    second = _prepare(built)
    assert second.sidecar.made_from.precision == "fp16-attn32"
    assert first.path.exists()
    with pytest.raises(ParityError, match=r"off by 0\.3: no rung is left but ONNX Runtime"):
        _prepare(built, EngineConfig(precision="fp16"))
    assert _prepare(built, EngineConfig(rebuild=True)).path == first.path


@pytest.mark.rtx
def test_what_a_killed_build_left_half_written_is_removed(built: Path) -> None:
    names = ("0123456789abcdef.engine", "0123456789abcdef.json", "orin-8sm.timing")
    halves = [built / "engines" / f".{name}.x7f2abcd" for name in names]
    for half in halves:
        half.write_bytes(b"half of it")
    _prepare(built)
    assert not any(half.exists() for half in halves)


def test_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="edgeclip-export bundle"):
        _prepare(tmp_path)


def test_an_altered_graph_is_never_built(bundle: Path, manifest: BundleManifest) -> None:
    graph = bundle / manifest.graph_for("tensorrt").file
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(BundleDamagedError, match="was altered or cut short"):
        _prepare(bundle)
    assert not (bundle / "engines").exists()


@pytest.mark.rtx
def test_a_bundle_without_a_graph_of_that_precision_says_so(bundle: Path) -> None:
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["graphs"] = [graph for graph in content["graphs"] if graph["rung"] == "fp32"]
    path.write_text(json.dumps(content))
    with pytest.raises(BundleMismatchError, match="the bundle has no fp16 graph"):
        _prepare(bundle, EngineConfig(precision="fp16"))


@pytest.mark.rtx
def test_two_builds_in_one_bundle_are_refused(bundle: Path) -> None:
    path = bundle / "engines/.lock"
    descriptor = take_lock(path)
    with pytest.raises(SetupError, match=rf"process {os.getpid()} builds an engine in"):
        _prepare(bundle)
    drop_lock(path, descriptor)


@pytest.mark.rtx
def test_a_board_without_memory_is_refused_before_the_build_unless_told_otherwise(
    bundle: Path,
) -> None:
    config = EngineConfig(workspace_mb=10**9)
    told: list[Check] = []
    with pytest.raises(SetupError, match=r"enough memory and swap: .* --no-preflight"):
        _prepare(bundle, config, told)
    assert "✗ enough memory" in "\n".join(check.line() for check in told)
    assert not (bundle / "engines").exists()


@pytest.mark.rtx
def test_a_dry_run_says_what_would_be_built_and_changes_nothing(bundle: Path, built: Path) -> None:
    plan, is_there, checks = dry_run(bundle, EngineConfig())
    assert not is_there
    assert plan.facts()["key"] == plan.key.digest()
    assert len(checks) == 4
    assert not (bundle / "engines").exists()
    again, is_there, _ = dry_run(built, EngineConfig())
    assert is_there
    assert again.path.name == plan.path.name
