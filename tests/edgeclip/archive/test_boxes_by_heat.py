"""Where `edgeclip predict` says that something is: boxes by heat, in all that is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.archive.camtrap import CamtrapAsked
from edgeclip.archive.deployments import read_deployments
from edgeclip.archive.journal import PARTS, PLAN_FILE
from edgeclip.archive.results import Results
from edgeclip.archive.run_folder import RUN_FOLDER
from edgeclip.combining import combine
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.contract.project_words import ExportSettings
from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sources import read_source
from edgeclip.packs import load_pack, write_pack
from support.camtrap_schemas import validate
from support.drawn_images import draw, save, write_table

Predict = Callable[..., Results]
SIDES = ("box_x", "box_y", "box_width", "box_height")
WHOLE = (0.0, 0.0, 1.0, 1.0)


@pytest.fixture
def mixed(archive: Path) -> Path:
    """The archive with some blanks, on which nothing is decided."""
    for number in range(4):
        save(archive / "ridge" / f"blank{number}.png", draw("blank", number))
    return archive


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _box(row: dict[str, str]) -> list[float]:
    return [float(row[side]) for side in SIDES if row[side]]


def _images(out: Path) -> dict[str, list[dict[str, object]]]:
    content = json.loads((out / "megadetector.json").read_text())
    return {image["file"]: image["detections"] or [] for image in content["images"]}


def test_what_is_decided_has_a_box_and_nothing_else_has(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack)
    rows = _rows(tmp_path / "out")
    assert {bool(row["decision"]) for row in rows} == {True, False}
    for row in rows:
        assert len(_box(row)) == (4 if row["decision"] else 0)
        if row["decision"]:
            x, y, width, height = _box(row)
            assert min(x, y) >= 0
            assert min(width, height) > 0
            assert max(x + width, y + height) <= 1


def test_megadetectors_json_has_the_box_of_an_animal_and_frames_without_decision_stay_whole(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack, formats=["csv", "md-json"])
    found = _images(tmp_path / "out")
    for row in _rows(tmp_path / "out"):
        for detection in found[row["file"]]:
            assert detection["category"] == "1"
            assert detection["bbox"] == (_box(row) if row["decision"] else list(WHOLE))


def test_a_detectors_boxes_stay_and_images_it_saw_nothing_in_are_boxed_by_heat(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    box, name = [0.25, 0.25, 0.5, 0.5], "ridge/20240501_120000.png"
    content = {
        "info": {"format_version": "1.5"}, "detection_categories": {"1": "animal"},
        "images": [{"file": name, "detections": [{"category": "1", "conf": 0.9, "bbox": box}]}],
    }  # fmt: skip
    (tmp_path / "md.json").write_text(json.dumps(content))
    predict(mixed, pack=pack, formats=["csv", "md-json"], boxes=tmp_path / "md.json")
    rows = {row["file"]: row for row in _rows(tmp_path / "out")}
    assert not _box(rows[name])
    assert [each["bbox"] for each in _images(tmp_path / "out")[name]] == [box]
    assert all(_box(row) for other, row in rows.items() if row["decision"] and other != name)


def test_camtrap_dp_has_the_box_in_its_observations(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    table = write_table(
        tmp_path / "places.csv",
        [("deploymentID", "latitude", "longitude"), ("ridge", -1.2, 36.5), ("river", -1.3, 36.6)],
    )
    asked = CamtrapAsked(read_deployments(table, timezone.utc), ExportSettings(), "Survey")
    at = datetime(2024, 6, 1, tzinfo=timezone.utc)
    predict(mixed, pack=pack, formats=["csv", "camtrap-dp"], camtrap=asked, begun_at=at)
    package = tmp_path / "out" / "camtrap-dp"
    assert validate(package).valid
    boxes = {row["file"]: _box(row) for row in _rows(tmp_path / "out")}
    with (package / "observations.csv").open(newline="", encoding="utf-8") as file:
        said = [row for row in csv.DictReader(file) if row["observationLevel"] == "media"]
    for row in said:
        cells = [row[name] for name in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")]
        assert [float(cell) for cell in cells if cell] == pytest.approx(boxes[row["mediaID"]])
        assert ("box:heat" in row["observationTags"].split("|")) == bool(row["bboxX"])
    assert any(row["bboxX"] for row in said)
    labels = read_source(ReadingOptions(data=package, data_dir=mixed))
    assert labels.samples
    assert not any(sample.box for sample in labels.samples)


def test_results_can_do_without_boxes_by_heat_and_the_run_keeps_them(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack, formats=["csv", "md-json"], heat_boxes=False)
    assert not any(_box(row) for row in _rows(tmp_path / "out"))
    found = [each for image in _images(tmp_path / "out").values() for each in image]
    assert {each["edgeclip_box"] for each in found} == {"whole frame"}
    predict(mixed, pack=pack)
    assert any(_box(row) for row in _rows(tmp_path / "out"))


def test_our_own_boxes_are_no_detectors(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack, formats=["md-json"])
    path = tmp_path / "out" / "megadetector.json"
    found = [each for image in _images(tmp_path / "out").values() for each in image]
    assert {each["edgeclip_box"] for each in found} == {"heat"}
    with pytest.raises(DataError, match="its boxes are edgeclip's own"):
        predict(mixed, pack=pack, boxes=path, folder=tmp_path / "again")
    labels = read_source(ReadingOptions(data=path, data_dir=mixed))
    assert labels.samples
    assert not any(sample.box for sample in labels.samples)


def test_contact_sheets_show_the_box(predict: Predict, mixed: Path, pack: Path) -> None:
    results = predict(mixed, pack=pack, formats=["sheets"])
    [path] = [path for path in results.files if path.suffix == ".jpg"]
    with Image.open(path) as opened:
        sheet = np.asarray(opened).astype(int)
    red, green, blue = (sheet[34:214, :240, channel] for channel in range(3))  # the first image
    is_ink = (blue - red > 80) & (green - red > 50)
    assert is_ink.sum() > 30
    assert is_ink.any(axis=1).sum() > 5


def test_runs_that_lost_parts_or_have_other_threads_give_the_same_boxes(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack, workers=1, folder=tmp_path / "one")
    predict(mixed, pack=pack, workers=3, folder=tmp_path / "three")
    (tmp_path / "three" / RUN_FOLDER / PARTS / "0000001.jsonl").unlink()
    predict(mixed, pack=pack, workers=2, folder=tmp_path / "three")
    one, three = ((tmp_path / n / "predictions.csv").read_bytes() for n in ("one", "three"))
    assert one == three
    assert any(_box(row) for row in _rows(tmp_path / "one"))


def test_a_set_of_packs_boxes_as_the_pack_that_answers(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    predict(mixed, pack=pack, folder=tmp_path / "alone")
    combine([("hill", pack)], tmp_path / "set", {"hill": {"place": "hill"}})
    predict(mixed, pack=tmp_path / "set", facts={"place": "hill"}, folder=tmp_path / "set-out")
    alone, together = (
        {row["file"]: _box(row) for row in _rows(tmp_path / name)} for name in ("alone", "set-out")
    )
    assert alone == together


def test_boxes_lie_below_a_strip_that_was_cut(
    predict: Predict, mixed: Path, pack: Path, tmp_path: Path
) -> None:
    manifest = read_pack_manifest(pack)
    files = {name: (pack / name).read_bytes() for name in manifest.files}
    cut = manifest.model_copy(update={"strip_top_px": 12, "strip_bottom_px": 6})
    write_pack(tmp_path / "cut", cut, files, report={})
    assert load_pack(tmp_path / "cut").manifest.strip_top_px == 12
    predict(mixed, pack=tmp_path / "cut")
    boxes = [_box(row) for row in _rows(tmp_path / "out") if row["decision"]]
    assert boxes
    for _, y, _, height in boxes:
        assert y >= 12 / 48
        assert y + height <= 42 / 48 + 1e-4


@pytest.mark.parametrize("earlier", [1, 2])
def test_a_run_of_an_earlier_version_is_refused_with_a_way_on(
    predict: Predict, archive: Path, tmp_path: Path, earlier: int
) -> None:
    predict(archive)
    plan = tmp_path / "out" / RUN_FOLDER / PLAN_FILE
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"format": earlier}))
    said = rf"a run of an earlier version \(format {earlier}.*--overwrite"
    with pytest.raises(ConfigError, match=said):
        predict(archive)
    predict(archive, overwrite=True)


@pytest.mark.parametrize("named", [4, "3", None, [1], True])
def test_a_plan_of_no_known_format_is_refused(
    predict: Predict, archive: Path, tmp_path: Path, named: object
) -> None:
    predict(archive)
    plan = tmp_path / "out" / RUN_FOLDER / PLAN_FILE
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"format": named}))
    with pytest.raises(ConfigError, match="is no plan of this software: add --overwrite"):
        predict(archive)


def test_a_pack_on_a_tower_without_cells_answers_and_boxes_nothing(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeclip import cells
    from edgeclip.adapters import pack_cells

    monkeypatch.setattr(pack_cells, "cells_of", lambda _: cells.Cells())
    results = predict(archive, pack=pack)
    assert results.decided["leopard"] > 6
    assert not any(_box(row) for row in _rows(tmp_path / "out"))


def test_records_of_another_shape_are_named_as_damaged(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    predict(archive, pack=pack)
    part = tmp_path / "out" / RUN_FOLDER / PARTS / "0000000.jsonl"
    lines = [json.loads(line) for line in part.read_text().splitlines()]
    lines[0]["where"] = [0, 0, 1]
    part.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match=r"0000000\.jsonl is missing or damaged"):
        predict(archive, pack=pack)
