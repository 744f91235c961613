from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip.errors import BundleMissingError
from edgeclip_export.checks import Check
from edgeclip_export.config import EngineConfig
from edgeclip_export.describe import describe_bundle
from edgeclip_export.engine_files import prepare_engine
from edgeclip_export.progress import SilentProgress


def test_a_bundle_tells_encoder_graphs_packs_and_that_no_engine_is_there(bundle: Path) -> None:
    facts = describe_bundle(bundle)
    assert facts["base"]["arch"] == "tiny-vit"
    assert [graph["rung"] for graph in facts["graphs"]] == ["fp16", "fp16-attn32", "fp32"]
    assert facts["packs"][0]["classes"] == ["species 0", "species 1", "blank"]
    assert facts["packs"][0]["thresholds"]["species 0"]["on"] == 0.6
    assert facts["engines"] == []
    assert facts["size_bytes"] == sum(
        path.stat().st_size
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )


def test_what_is_told_is_json(bundle: Path) -> None:
    facts = describe_bundle(bundle)
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.rtx
def test_an_engine_is_told_with_its_machine_and_a_damaged_one_with_its_problem(
    bundle: Path,
) -> None:
    engine = prepare_engine(bundle, EngineConfig(), SilentProgress(), list[Check]().append).path
    told = describe_bundle(bundle)["engines"][0]
    assert told["precision"] == "fp16"
    assert told["runtime"].startswith("tensorrt")
    engine.write_bytes(b"cut")
    assert "altered or cut short" in describe_bundle(bundle)["engines"][0]["problem"]


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="edgeclip-export bundle"):
        describe_bundle(tmp_path)
