from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_key import Machine
from edgeclip.contract.gpu import Gpu
from edgeclip.errors import BundleMismatchError
from edgeclip_export.board import Board
from edgeclip_export.config import BuilderSettings, EngineConfig
from edgeclip_export.engine_plan import engine_key, plan_engines

NANO = Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 8))
BOARD = Board(7619, 4000)


@pytest.mark.parametrize(
    "other",
    [
        BuilderSettings(workspace_mb=1024),
        BuilderSettings(optimisation_level=1),
        BuilderSettings(max_aux_streams=None),
    ],
    ids=["workspace", "level", "streams"],
)
def test_whatever_is_asked_of_the_builder_is_in_the_key(
    other: BuilderSettings, manifest: BundleManifest
) -> None:
    graph = manifest.graph_for("tensorrt")
    keys = {engine_key(manifest, graph, each, NANO).digest() for each in (BuilderSettings(), other)}
    assert len(keys) == 2


def test_auto_tries_the_rungs_from_the_fastest_on(manifest: BundleManifest) -> None:
    plans = plan_engines(Path("b"), manifest, EngineConfig(), NANO, BOARD)
    assert [plan.key.precision for plan in plans] == ["fp16", "fp16-attn32", "fp32"]
    assert len({plan.path for plan in plans}) == 3


def test_a_named_precision_is_the_only_one(manifest: BundleManifest) -> None:
    plans = plan_engines(Path("b"), manifest, EngineConfig(precision="fp32"), NANO, BOARD)
    assert [plan.key.precision for plan in plans] == ["fp32"]


def test_building_again_on_purpose_is_not_in_the_key(manifest: BundleManifest) -> None:
    paths = {
        plan_engines(Path("b"), manifest, EngineConfig(rebuild=again), NANO, BOARD)[0].path
        for again in (False, True)
    }
    assert len(paths) == 1


def test_a_precision_that_the_bundle_lacks_is_named(manifest: BundleManifest) -> None:
    few = manifest.model_copy(update={"graphs": list(manifest.graphs[-1:])})
    assert few.graphs[0].rung == "fp32"
    with pytest.raises(BundleMismatchError, match="the bundle has no fp16 graph"):
        plan_engines(Path("b"), few, EngineConfig(precision="fp16"), NANO, BOARD)


def test_measurements_are_one_file_a_device_and_version(manifest: BundleManifest) -> None:
    plan = plan_engines(Path("b"), manifest, EngineConfig(), NANO, BOARD)[0]
    assert plan.timing_cache == Path("b/engines/orin-8sm-10.3.0.30.timing")


def test_tensorrt_rtx_measures_nothing(manifest: BundleManifest) -> None:
    rtx = NANO.model_copy(update={"runtime": "tensorrt_rtx"})
    plan = plan_engines(Path("b"), manifest, EngineConfig(), rtx, BOARD)[0]
    assert plan.timing_cache is None
    assert plan.facts()["timing_cache"] is None
