from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.bundle import (
    BundleManifest,
    FileRecord,
    Graph,
    Profile,
    Rung,
    Tolerance,
)
from edgeclip.contract.engine_key import (
    EngineKey,
    Machine,
    checked_sidecar,
    survey_engines,
)
from edgeclip.contract.engine_record import record_parity
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.pack_ref import PackRef
from support.engines import write_engine
from support.samples import AT, HASH, base, preprocess_spec

NANO = Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 8))
PROFILES = {"B": Profile(min=1, opt=1, max=4)}
ENGINE = b"an engine"
FULL = "d" * 64
PACK = "packs/leopard/1.0.0/pack.json"


def _key(**changes: Any) -> EngineKey:
    fields = {
        "graph_sha256": HASH,
        "machine": NANO,
        "precision": "fp16",
        "profiles": PROFILES,
        "flags": ["STRONGLY_TYPED"],
        "optimisation_level": 3,
        "workspace_mb": 512,
    }
    return EngineKey.model_validate(fields | changes)


def _manifest() -> BundleManifest:
    records = {
        name: FileRecord(sha256=sha256, size_bytes=1)
        for name, sha256 in (("half.onnx", HASH), ("full.onnx", FULL), (PACK, HASH))
    }
    rungs: tuple[tuple[Rung, str], ...] = (("fp16", "half.onnx"), ("fp32", "full.onnx"))
    graphs = [
        Graph(file=file, rung=rung, runtime="tensorrt", opset=18, nodes=1, inputs=[], outputs=[])
        for rung, file in rungs
    ]
    return BundleManifest(
        created_at=AT,
        tool={},
        base=base(),
        preprocess=preprocess_spec(),
        graphs=graphs,
        profiles=PROFILES,
        packs=[PackRef(task="leopard", version="1.0.0", path="packs/leopard/1.0.0")],
        tolerance=Tolerance(one_minus_cosine=1e-3, mean_one_minus_cosine=2e-4, probability=0.02),
        parity={},
        files=records,
    )


def _build(bundle: Path, key: EngineKey, *, minutes: int = 0) -> Path:
    return write_engine(bundle, key, ENGINE, minutes=minutes)


@pytest.mark.parametrize(
    "changes",
    [
        {"graph_sha256": "b" * 64},
        {"machine": Machine.of("tensorrt", "10.3.0.26", Gpu("Orin", "8.7", 8))},
        {"machine": Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 16))},
        {"machine": Machine.of("tensorrt", "10.3.0.30", None)},
        {"precision": "fp32"},
        {"profiles": {"B": Profile(min=1, opt=1, max=8)}},
        {"flags": ["STRONGLY_TYPED", "TF32"]},
        {"optimisation_level": 2},
        {"workspace_mb": 1024},
        {"max_aux_streams": None},
        {"weights_sha256": "c" * 64},
    ],
)
def test_whatever_binds_an_engine_changes_its_key(changes: dict[str, Any]) -> None:
    assert _key(**changes).digest() != _key().digest()


def test_equal_keys_have_one_digest_whatever_the_order_of_their_fields() -> None:
    fields = _key().model_dump(mode="json")
    turned = EngineKey.model_validate(dict(reversed(fields.items())))
    assert turned.digest() == _key().digest()


def test_fitting_engines_come_fp16_first_and_newest_first(tmp_path: Path) -> None:
    full = _build(tmp_path, _key(precision="fp32", graph_sha256=FULL), minutes=9)
    old = _build(tmp_path, _key(workspace_mb=256), minutes=1)
    new = _build(tmp_path, _key(), minutes=2)
    survey = survey_engines(tmp_path, _manifest(), NANO)
    assert [path for path, _ in survey.fitting] == [new, old, full]
    assert survey.refused == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"graph_sha256": "b" * 64}, "another graph"),
        ({"precision": "fp32"}, "another graph than this bundle's fp32 one"),
        ({"graph_sha256": FULL}, "another graph than this bundle's fp16 one"),
        ({"precision": "fp16-attn32"}, "another graph"),
        ({"flags": ["STRONGLY_TYPED", "TF32"]}, "built with STRONGLY_TYPED and TF32, not"),
        ({"weights_sha256": "c" * 64}, "another graph"),
        ({"profiles": {"B": Profile(min=1, opt=1, max=8)}}, "other sizes"),
        (
            {"machine": Machine.of("tensorrt", "10.3.0.30", Gpu("Orin", "8.7", 16))},
            "built for sm_count 16, here it is 8",
        ),
        (
            {"machine": Machine.of("tensorrt_rtx", "10.3.0.30", Gpu("Orin", "8.7", 8))},
            "built for runtime 'tensorrt_rtx'",
        ),
    ],
)
def test_an_engine_made_elsewhere_is_refused_with_the_reason(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = _build(tmp_path, _key(**changes))
    survey = survey_engines(tmp_path, _manifest(), NANO)
    assert survey.fitting == ()
    assert reason in survey.refused[path.name]


def _cut_short(engine: Path) -> None:
    engine.write_bytes(ENGINE[:-1])


def _lose_the_sidecar(engine: Path) -> None:
    engine.with_suffix(".json").unlink()


def _garble_the_sidecar(engine: Path) -> None:
    engine.with_suffix(".json").write_text("{")


def _claim_another_machine(engine: Path) -> None:
    path = engine.with_suffix(".json")
    content = json.loads(path.read_text())
    content["made_from"]["machine"]["sm_count"] = 16
    path.write_text(json.dumps(content))


def _name_it_otherwise(engine: Path) -> None:
    engine.with_suffix(".json").rename(engine.with_name("0" * 16 + ".json"))
    engine.rename(engine.with_name("0" * 16 + ".engine"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut_short, "altered or cut short"),
        (_lose_the_sidecar, "no readable"),
        (_garble_the_sidecar, "Invalid JSON"),
        (_claim_another_machine, "the key does not match"),
        (_name_it_otherwise, "the key does not match"),
    ],
)
def test_a_damaged_engine_is_refused_with_the_reason(
    damage: Any, reason: str, tmp_path: Path
) -> None:
    damage(_build(tmp_path, _key()))
    survey = survey_engines(tmp_path, _manifest(), NANO)
    assert survey.fitting == ()
    assert [reason in text for text in survey.refused.values()] == [True]


def test_a_bundle_without_engines_has_none(tmp_path: Path) -> None:
    survey = survey_engines(tmp_path, _manifest(), NANO)
    assert (survey.fitting, survey.refused) == ((), {})


def test_an_engine_that_computed_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    path = _build(tmp_path, _key())
    record_parity(path, checked_sidecar(path), {"probability": 0.3}, ["probability off by 0.3"])
    survey = survey_engines(tmp_path, _manifest(), NANO)
    assert survey.fitting == ()
    assert survey.refused[path.name].endswith("than the exporter did: probability off by 0.3")
    assert (survey.failed, survey.never_usable) == (frozenset({path.name}), {})


def test_figures_of_an_engine_that_passed_are_kept_and_it_fits(tmp_path: Path) -> None:
    path = _build(tmp_path, _key())
    record_parity(path, checked_sidecar(path), {"probability": 0.003}, [])
    ((_, sidecar),) = survey_engines(tmp_path, _manifest(), NANO).fitting
    assert sidecar.parity == {"probability": 0.003}
