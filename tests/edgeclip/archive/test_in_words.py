"""`edgeclip predict` with a pack that is asked in words too."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.archive.about import questions_of
from edgeclip.archive.camtrap import CamtrapAsked
from edgeclip.archive.deployments import read_deployments
from edgeclip.archive.results import Results
from edgeclip.attributes.adding import Addition, add_attributes
from edgeclip.attributes.asked import read_asked
from edgeclip.clip import Backbone
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import ATTRIBUTES_FILE, Measured
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.contract.project_words import ExportSettings
from edgeclip.packs import write_pack
from edgeclip.progress import Bars
from edgeclip.tensor_file import read_tensors
from support.asked import MEASURED, asked_bank
from support.camtrap_schemas import validate
from support.drawn_images import write_table

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
BOLD = """
[[group]]
name = "light"
field = "observationTags"
view = "frame"
threshold = 0
[[group.options]]
name = "day"
value = "light:day"
prompts = ["a photo by day"]
[[group.options]]
name = "night"
value = "light:night"
prompts = ["a photo at night"]
"""


@pytest.fixture
def asking(tiny_pack: Path, backbone: Backbone, tmp_path: Path) -> Path:
    """The pack, asked a question that always has an answer."""
    (tmp_path / "bold.toml").write_text(BOLD, encoding="utf-8")
    addition = Addition(tiny_pack, tmp_path / "asking", read_asked(tmp_path / "bold.toml"))
    add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    return tmp_path / "asking"


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_animals_have_a_caption_and_others_none_and_all_else_stays(
    predict: Callable[..., Results], archive: Path, asking: Path, tmp_path: Path
) -> None:
    predict(archive, folder=tmp_path / "plain")
    predict(archive, pack=asking, folder=tmp_path / "words")
    plain, words = _rows(tmp_path / "plain"), _rows(tmp_path / "words")
    added = ["caption", "light (unverified)", "light (unverified): probability"]
    assert words[0].keys() - plain[0].keys() == set(added)
    for before, after in zip(plain, words, strict=True):
        assert {name: after[name] for name in before} == before
        is_animal = after["class"] in ("species 0", "species 1")
        assert [bool(after[name]) for name in added] == [is_animal] * 3
        if is_animal:
            assert after["caption"] == f"{after['class']} (unverified: {after[added[1]]})"
            assert 0.5 <= float(after[added[2]]) <= 1
    assert any(row["caption"] for row in words)
    assert not all(row["caption"] for row in words)


def _verified(folder: Path) -> Path:
    """Let a pack claim that its answers were measured."""
    manifest = read_pack_manifest(folder)
    bank = AttributeBank.read(folder, manifest, read_tensors)
    assert bank is not None
    groups = [
        group.model_copy(update={"verified": True, "measured": Measured.model_validate(MEASURED)})
        for group in bank.asked.groups
    ]
    files = {name: (folder / name).read_bytes() for name in manifest.files}
    content = bank.asked.model_copy(update={"groups": groups})
    files[ATTRIBUTES_FILE] = content.to_json().encode()
    write_pack(folder, manifest, files, report={}, overwrite=True)
    return folder


def test_a_question_is_verified_where_each_pack_that_asks_it_has_it_measured() -> None:
    measured, doubted = asked_bank(verified=True), asked_bank()
    assert questions_of([measured]) == {"time of day": True, "how many": False}
    assert questions_of([measured, measured])["time of day"]
    assert not questions_of([measured, doubted])["time of day"]


def test_camtrap_dp_has_verified_answers_alone(
    predict: Callable[..., Results], archive: Path, asking: Path, tmp_path: Path
) -> None:
    places = write_table(
        tmp_path / "deployments.csv",
        [("deploymentID", "latitude", "longitude"), ("ridge", -1.2, 36.5), ("river", -1.3, 36.6)],
    )
    asked = CamtrapAsked(read_deployments(places, timezone.utc), ExportSettings(), "Survey")
    found = {}
    for name, pack in (("doubted", asking), ("believed", asking)):
        own = _verified(pack) if name == "believed" else pack
        given = {"formats": ["csv", "camtrap-dp"], "camtrap": asked, "begun_at": AT}
        predict(archive, pack=own, folder=tmp_path / name, **given)
        package = tmp_path / name / "camtrap-dp"
        report = validate(package)
        assert report.valid, report.flatten(["title", "note"])[:5]
        with (package / "observations.csv").open(newline="", encoding="utf-8") as file:
            found[name] = list(csv.DictReader(file))
    assert not any("light:" in row["observationTags"] for row in found["doubted"])
    lit = [row for row in found["believed"] if "light:" in row["observationTags"]]
    assert lit
    assert {row["observationType"] for row in lit} == {"animal"}
    assert {row["observationLevel"] for row in lit} == {"media"}
