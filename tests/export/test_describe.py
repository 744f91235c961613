from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_faults import set_aside
from edgeclip.contract.engine_key import Machine, checked_sidecar
from edgeclip.contract.engine_record import record_parity
from edgeclip.errors import BundleMissingError
from edgeclip_export.checks import Check
from edgeclip_export.config import EngineConfig
from edgeclip_export.describe import describe_bundle
from edgeclip_export.engine_files import prepare_engine
from edgeclip_export.progress import SilentProgress
from support.altered_bundles import change_json
from support.engines import key_of, write_engine
from support.export_commands import Run
from support.tiny_bundle import write_tiny_bundle


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


def test_inspect_shows_names_of_files_whole_on_80_columns(
    run: Run, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run("inspect", bundle).out
    cells = [line.split("│")[1].strip() for line in out.splitlines() if line.count("│") > 2]
    assert "…" not in out
    assert all(graph["file"] in "".join(cells) for graph in describe_bundle(bundle)["graphs"])


@pytest.mark.rtx
def test_an_engine_is_told_with_its_machine_and_a_damaged_one_with_its_problem(
    bundle: Path,
) -> None:
    engine = prepare_engine(bundle, EngineConfig(), SilentProgress(), list[Check]().append).path
    told = describe_bundle(bundle)["engines"][0]
    assert told["precision"] == "fp16"
    assert told["runtime"].startswith("tensorrt")
    assert (told["parity"], told["problems"], told["benchmark"]) == (None, [], None)
    engine.write_bytes(b"cut")
    assert "altered or cut short" in describe_bundle(bundle)["engines"][0]["problem"]


def test_a_signature_is_told_as_a_claim_and_one_of_another_manifest_as_void(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    assert "signed   no" in run("inspect", bundle).out
    run("keygen", tmp_path / "team")
    run("sign", bundle, "--key", tmp_path / "team")
    assert "unchecked: verify --key does" in run("inspect", bundle).out
    assert describe_bundle(bundle)["signature_is_of_this"] is True
    change_json(bundle / "manifest.json", tool={})
    assert "signed another manifest" in run("inspect", bundle).out


@pytest.mark.parametrize(
    ("problems", "told"),
    [([], "right on 5 images"), (["probability off by 0.3"], "refused: probability off by 0.3")],
)
def test_what_an_engine_was_found_to_compute_is_shown(
    run: Run, tmp_path: Path, problems: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    bundle = write_tiny_bundle(tmp_path / "bundle")
    machine = Machine.of("tensorrt", "10.3.0", None)
    engine = write_engine(bundle, key_of(read_bundle(bundle), machine), b"engine")
    figures = {"images": 5.0, "one_minus_cosine": 1e-6, "probability": 1e-4}
    record_parity(engine, checked_sidecar(engine), figures, problems)
    assert told in run("inspect", bundle).out


def test_why_an_engine_was_set_aside_is_shown(run: Run, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    machine = Machine.of("tensorrt", "10.3.0", None)
    engine = write_engine(bundle, key_of(read_bundle(bundle), machine), b"engine")
    set_aside(engine, "built for sm_count 16")
    assert "built for sm_count 16" in run("inspect", bundle).out
    told = describe_bundle(bundle)["aside"]
    assert told == [{"file": engine.name, "reason": "built for sm_count 16"}]


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="edgeclip-export bundle"):
        describe_bundle(tmp_path)
