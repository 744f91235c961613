from __future__ import annotations

import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.archive import pack_answers
from edgeclip.archive.answering import Answer, Views
from edgeclip.archive.journal import PARTS
from edgeclip.archive.results import Results
from edgeclip.archive.run_folder import RUN_FOLDER
from edgeclip.errors import BackendError, DataError
from edgeclip.labels.detections import parse_detections
from edgeclip.labels.json_text import load_object
from support.drawn_images import draw, save, write_table

Predict = Callable[..., Results]
ALL = ("csv", "md-json", "timelapse", "sheets")


def _rows(out: Path, name: str = "predictions.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def _files(out: Path) -> dict[str, bytes]:
    """Return all results, without the run."""
    paths = (path for path in sorted(out.rglob("*")) if path.is_file())
    kept = (path for path in paths if RUN_FOLDER not in path.relative_to(out).parts)
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


def test_every_image_has_an_answer_or_the_reason_why_not(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    results = predict(archive)
    rows = _rows(tmp_path / "out")
    assert (results.images, results.failures) == (13, 2)
    assert [row["file"] for row in rows[5:8]] == [
        "ridge/20240502_120001.png", "ridge/broken.jpg", "river/empty.jpg",
    ]  # fmt: skip
    failed = {row["file"]: row["failure"] for row in rows if row["failure"]}
    assert failed["river/empty.jpg"] == "empty file: 0 bytes"
    assert failed["ridge/broken.jpg"].startswith("no image")
    assert [row["file"] for row in _rows(tmp_path / "out", "failures.csv")] == list(failed)
    for row in rows:
        numbers = [float(row[name]) for name in row if name.startswith("p(") and row[name]]
        assert not numbers or sum(numbers) == pytest.approx(1, abs=1e-4)
        assert bool(numbers) != bool(row["failure"])


def test_frames_of_a_place_within_a_minute_are_one_burst(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive)
    bursts = [row["sequence"] for row in _rows(tmp_path / "out") if not row["failure"]]
    assert bursts[0] == bursts[3] != bursts[4] == bursts[5]
    assert len(set(bursts)) == 4  # ridge: four and two; river: two and three


def test_a_burst_is_judged_by_the_mean_of_its_logits(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive)
    rows = [row for row in _rows(tmp_path / "out") if row["sequence"] == "ridge#0"]
    own = np.array([[float(row[f"p({n})"]) for n in _names(row)] for row in rows])
    together = np.exp(np.log(own).mean(axis=0))
    together /= together.sum()
    assert float(rows[0]["sequence_probability"]) == pytest.approx(together.max(), abs=1e-4)
    assert rows[0]["sequence_class"] == _names(rows[0])[int(together.argmax())]


def _names(row: dict[str, str]) -> list[str]:
    return [name[2:-1] for name in row if name.startswith("p(")]


def test_the_json_is_megadetectors_and_our_own_reader_takes_it(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive, formats=ALL)
    path = tmp_path / "out" / "megadetector.json"
    results = parse_detections(load_object(path))
    assert results.version == "1.6"
    assert not results.problems
    by_file = {image.file: image for image in results.images}
    assert len(by_file) == 13
    assert by_file["river/empty.jpg"].failure
    assert by_file["ridge/20240501_120000.png"].captured_at
    content = json.loads(path.read_text())
    assert content["detection_categories"] == {"1": "animal", "2": "person", "3": "vehicle"}
    failed = [image for image in content["images"] if "failure" in image]
    assert all(image["detections"] is None for image in failed)
    for image in content["images"]:
        for detection in image["detections"] or ():
            assert isinstance(detection["conf"], float)
            sure = [confidence for _, confidence in detection["classifications"]]
            assert sure == sorted(sure, reverse=True)


def test_timelapse_gets_names_and_relative_folders(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive, formats=["timelapse"])
    rows = _rows(tmp_path / "out", "timelapse.csv")
    assert (rows[-1]["RelativePath"], rows[-1]["File"]) == ("river\\north", "20240503_120002.png")
    assert len(rows) == 11


def test_a_spreadsheet_takes_no_name_for_a_formula(predict: Predict, tmp_path: Path) -> None:
    save(tmp_path / "a" / "=HYPERLINK(1).png", draw("leopard", 1))
    predict(tmp_path / "a")
    assert _rows(tmp_path / "out")[0]["file"] == "'=HYPERLINK(1).png"


def test_timelapse_finds_an_image_by_its_own_name(predict: Predict, tmp_path: Path) -> None:
    save(tmp_path / "a" / "-north" / "=1.png", draw("leopard", 1))
    predict(tmp_path / "a", formats=["timelapse"])
    [row] = _rows(tmp_path / "out", "timelapse.csv")
    assert (row["RelativePath"], row["File"]) == ("-north", "=1.png")


def test_a_run_that_lost_parts_goes_on_to_the_same_bytes(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive, formats=ALL)
    whole = _files(tmp_path / "out")
    for part in ("0000001", "0000003"):
        (tmp_path / "out" / RUN_FOLDER / PARTS / f"{part}.jsonl").unlink()
    shutil.rmtree(tmp_path / "out" / "sheets")
    predict(archive, formats=ALL)
    assert _files(tmp_path / "out") == whole


def test_one_worker_and_three_write_the_same_bytes(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive, formats=ALL, workers=1, folder=tmp_path / "one")
    predict(archive, formats=ALL, workers=3, folder=tmp_path / "three")
    assert _files(tmp_path / "one") == _files(tmp_path / "three")


def test_a_whole_run_gives_other_formats_without_looking_again(
    predict: Predict, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(archive)
    monkeypatch.setattr(pack_answers.PackAnswers, "answer", _never)
    predict(archive, formats=["md-json"])
    assert (tmp_path / "out" / "megadetector.json").is_file()


def _never(*_: object) -> list[Answer]:
    raise AssertionError("an image was looked at again")


def test_a_runtime_that_fails_ends_the_run_and_keeps_what_was_done(
    predict: Predict, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = pack_answers.PackAnswers.answer, 0

    def fails_at_the_third(self: pack_answers.PackAnswers, views: Views) -> list[Answer]:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise BackendError("the runtime failed")
        return answer(self, views)

    monkeypatch.setattr(pack_answers.PackAnswers, "answer", fails_at_the_third)
    with pytest.raises(BackendError, match="the runtime failed"):
        predict(archive, workers=1)
    assert not (tmp_path / "out" / "predictions.csv").exists()
    assert len(list((tmp_path / "out" / RUN_FOLDER / PARTS).iterdir())) in (1, 2)
    predict(archive, workers=1)
    assert len(_rows(tmp_path / "out")) == 13


def test_a_zip_holds_the_same_archive(predict: Predict, archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for path in sorted(archive.rglob("*")):
            packed.write(path, path.relative_to(archive))
    predict(archive, folder=tmp_path / "folder")
    predict(tmp_path / "a.zip", folder=tmp_path / "zip")
    ours, theirs = (sorted(map(str, _rows(tmp_path / name))) for name in ("folder", "zip"))
    assert [_without_burst(row) for row in ours] == [_without_burst(row) for row in theirs]


def _without_burst(row: str) -> str:
    return row.split("'sequence'")[0] + row.split("'captured_at'")[1]


def test_a_damaged_zip_is_refused(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"a\.zip cannot be opened"):
        predict(tmp_path / "a.zip")


def test_a_table_tells_files_places_times_and_bursts(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    names = [f"ridge/20240501_12000{n}.png" for n in range(3)]
    rows: list[tuple[object, ...]] = [("file", "site", "datetime", "seq_id")]
    rows += [(name, "hill", "2020-02-03 04:05:06", f"b{n // 2}") for n, name in enumerate(names)]
    table = write_table(tmp_path / "some.csv", [*rows, rows[1], ("gone.jpg", "hill", "", "b9")])
    results = predict(table, data_dir=archive)
    found = _rows(tmp_path / "out")
    assert (results.images, results.failures) == (4, 1)
    assert [row["sequence"] for row in found] == ["hill/b0", "hill/b0", "hill/b1", "hill/b9"]
    assert found[0]["captured_at"].startswith("2020-02-03T04:05:06")
    assert "No such file" in found[3]["failure"]


def test_boxes_of_a_detector_are_looked_at_too(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    box = [0.25, 0.25, 0.5, 0.5]
    detections = [
        {"category": "1", "conf": 0.9, "bbox": box}, {"category": "1", "conf": 0.1, "bbox": box},
    ]  # fmt: skip
    content = {
        "info": {"format_version": "1.5"}, "detection_categories": {"1": "animal"},
        "images": [{"file": "ridge/20240501_120000.png", "detections": detections}],
    }  # fmt: skip
    (tmp_path / "md.json").write_text(json.dumps(content))
    predict(archive, formats=["md-json"], boxes=tmp_path / "md.json")
    images = json.loads((tmp_path / "out" / "megadetector.json").read_text())["images"]
    [found] = images[0]["detections"]
    assert (found["conf"], found["bbox"]) == (0.9, box)
    assert images[1]["detections"][0]["bbox"] != box


def test_contact_sheets_show_what_reached_its_threshold(
    predict: Predict, archive: Path, pack: Path
) -> None:
    results = predict(archive, formats=["sheets"], pack=pack)
    assert results.decided["leopard"] > 6
    [path] = [path for path in results.files if path.suffix == ".jpg"]
    with Image.open(path) as sheet:
        assert sheet.size == (1440, 34 + 2 * 218)  # a heading, two lines of six


def test_where_nothing_reaches_a_threshold_no_sheet_is_drawn(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    shutil.rmtree(archive)
    save(archive / "a.png", draw("blank", 1))
    results = predict(archive, formats=["sheets"], pack=pack)
    assert not results.decided
    assert [path.name for path in (tmp_path / "out/sheets").iterdir()] == ["no-target-was-seen.txt"]
