"""`predict --format camtrap-dp`: what frictionless says, what stands in it, what reads it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.archive.camtrap import CamtrapAsked
from edgeclip.archive.deployments import read_deployments
from edgeclip.archive.journal import PARTS
from edgeclip.archive.results import Results
from edgeclip.archive.run_folder import RUN_FOLDER
from edgeclip.contract.project_words import ExportSettings
from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import read_labels
from support.camtrap_schemas import problems_of, validate
from support.drawn_images import draw, save, write_table

Predict = Callable[..., Results]
BEGUN = datetime(2024, 6, 1, tzinfo=timezone.utc)
PANTHERA = ExportSettings(scientific_names={"leopard": "Panthera pardus"})
TABLE = [
    ("deploymentID", "latitude", "longitude", "deploymentStart", "deploymentEnd", "habitat"),
    ("ridge", -1.23456, 36.5, "2024-04-30", "2024-05-09", "scrub"),
    ("river", -1.3, 36.6, "", "", ""),
]


@pytest.fixture
def package(predict: Predict, archive: Path, pack: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a package of the archive and return its folder."""

    def write(*rows: tuple[object, ...], **fields: object) -> Path:
        table = write_table(tmp_path / "deployments.csv", list(rows) or list(TABLE))
        grid = fields.pop("obscure_deg", None)
        deployments = read_deployments(table, timezone.utc)
        asked = CamtrapAsked(deployments, PANTHERA, "Survey 2024", grid)  # type: ignore[arg-type]
        given = {"pack": pack, "formats": ["camtrap-dp"], "camtrap": asked, "begun_at": BEGUN}
        write.results = predict(archive, **(given | fields))  # type: ignore[attr-defined]
        return Path(str(fields.get("folder", tmp_path / "out"))) / "camtrap-dp"

    return write


def _rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_frictionless_and_the_profile_find_nothing_wrong(package: Callable[..., Path]) -> None:
    folder = package()
    report = validate(folder)
    assert report.valid, report.flatten(["title", "note"])[:5]
    described = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    assert problems_of(described) == []
    assert described["temporal"] == {"start": "2024-04-30", "end": "2024-05-09"}
    assert described["taxonomic"][0]["scientificName"] == "Panthera pardus"


def test_media_have_their_times_and_events_are_bursts(package: Callable[..., Path]) -> None:
    folder = package()
    media, said = _rows(folder, "media"), _rows(folder, "observations")
    assert len(media) == 11  # two of the archive's files are no images
    assert (media[1]["filePath"], media[1]["timestamp"]) == (
        "ridge/20240501_120001.png", "2024-05-01T12:00:01Z",
    )  # fmt: skip
    events = [row for row in said if row["observationLevel"] == "event"]
    assert [row["eventID"] for row in events][:1] == ["ridge#0"]
    assert (events[0]["eventStart"], events[0]["eventEnd"]) == (
        "2024-05-01T12:00:00Z", "2024-05-01T12:00:03Z",
    )  # fmt: skip
    assert len(events) == 4
    assert {row["classificationMethod"] for row in said} == {"machine"}
    assert {row["classificationTimestamp"] for row in said} == {"2024-06-01T00:00:00Z"}
    for row in said:
        assert 0 < float(row["classificationProbability"]) <= 1
        assert row["classifiedBy"].startswith("edgeclip ")


def test_what_was_written_is_read_back_as_labels(
    package: Callable[..., Path], archive: Path
) -> None:
    table = read_labels(package(), data_dir=archive)
    assert len(table.samples) == 11
    assert {sample.label for sample in table.samples} >= {"Panthera pardus"}
    assert {sample.location for sample in table.samples} == {"ridge", "river"}
    assert {sample.label_source for sample in table.samples} == {"machine"}
    assert all(sample.path.is_file() for sample in table.samples)


def test_a_class_without_a_scientific_name_is_read_back_by_its_own(
    package: Callable[..., Path], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PANTHERA.scientific_names, "leopard", "")
    folder = package()
    assert any("no scientific name of leopard" in note for note in package.results.notes)  # type: ignore[attr-defined]
    assert validate(folder).valid
    assert "leopard" in {sample.label for sample in read_labels(folder, data_dir=archive).samples}


def test_images_without_a_time_are_left_out_and_counted(
    package: Callable[..., Path], archive: Path
) -> None:
    save(archive / "ridge" / "untold.png", draw("leopard", 77))
    folder = package()
    said = "camtrap-dp: 1 image left out: their time is not known"
    assert package.results.notes[0] == said  # type: ignore[attr-defined]
    assert "ridge/untold.png" not in {row["mediaID"] for row in _rows(folder, "media")}


def test_a_resumed_run_writes_the_same_package(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    first = {path.name: path.read_bytes() for path in package().iterdir()}
    (tmp_path / "out" / RUN_FOLDER / PARTS / "0000001.jsonl").unlink()
    shutil.rmtree(tmp_path / "out" / "camtrap-dp")
    again = package(begun_at=BEGUN + timedelta(days=1))
    assert {path.name: path.read_bytes() for path in again.iterdir()} == first


def test_a_place_without_coordinates_is_named_before_an_image_is_looked_at(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="has no row for river/north: Camtrap DP needs"):
        package(*TABLE[:2])
    assert not (tmp_path / "out").exists()


def test_a_place_whose_files_cannot_be_read_needs_no_coordinates(
    package: Callable[..., Path], archive: Path
) -> None:
    (archive / "lost").mkdir()
    (archive / "lost" / "cut.jpg").write_bytes(b"\xff\xd8 no more")
    folder = package()
    assert [row["deploymentID"] for row in _rows(folder, "deployments")] == ["ridge", "river"]
    save(archive / "lost" / "20240501_120000.png", draw("leopard", 1))
    with pytest.raises(DataError, match="has no row for lost: Camtrap DP needs"):
        package(overwrite=True)
    package()
    results = package.results  # type: ignore[attr-defined]
    assert results.already == results.images  # the older run has lost nothing


def test_one_row_may_be_for_all_images_that_are_left(package: Callable[..., Path]) -> None:
    folder = package(*TABLE[:2], (".", 1, 2, "", "", ""))
    assert [row["deploymentID"] for row in _rows(folder, "deployments")] == [".", "ridge"]


def test_of_two_deployments_of_a_place_the_time_decides(package: Callable[..., Path]) -> None:
    folder = package(
        ("deploymentID", "locationID", "latitude", "longitude", "deploymentStart", "deploymentEnd"),
        ("first", "ridge", 1, 2, "2024-05-01", "2024-05-02"),
        ("second", "ridge", 1, 2, "2024-05-02", "2024-05-03"),
        ("river", "", 1, 2, "", ""),
    )
    found = [(row["mediaID"], row["deploymentID"]) for row in _rows(folder, "media")]
    assert found[0] == ("ridge/20240501_120000.png", "first")
    assert found[4] == ("ridge/20240502_120000.png", "second")
    assert validate(folder).valid


def test_times_outside_a_deployment_are_issues(package: Callable[..., Path]) -> None:
    folder = package(TABLE[0], ("ridge", 1, 2, "2023-01-01", "2023-02-01", ""), TABLE[2])
    issues = {row["deploymentID"]: row["timestampIssues"] for row in _rows(folder, "deployments")}
    assert issues == {"ridge": "true", "river": "false"}


def test_places_may_be_told_on_a_grid_alone(package: Callable[..., Path]) -> None:
    folder = package(obscure_deg=0.1)
    [ridge, _] = _rows(folder, "deployments")
    assert (ridge["latitude"], ridge["longitude"]) == ("-1.250000", "36.550000")
    assert int(ridge["coordinateUncertainty"]) > 7000
    described = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    assert described["coordinatePrecision"] == 0.1
    assert "-1.23" not in json.dumps(described)


def test_boxes_of_a_detector_stand_in_observations_and_people_are_private(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    boxes = [
        {"category": "1", "conf": 0.9, "bbox": [0.25, 0.25, 0.5, 0.5]},
        {"category": "2", "conf": 0.8, "bbox": [0.5, 0.5, 0.5, 0.5]},
    ]
    content = {
        "info": {"format_version": "1.5"},
        "detection_categories": {"1": "animal", "2": "person"},
        "images": [{"file": "ridge/20240501_120000.png", "detections": boxes}],
    }
    (tmp_path / "md.json").write_text(json.dumps(content))
    folder = package(boxes=tmp_path / "md.json")
    report = validate(folder)
    assert report.valid, report.flatten(["title", "note"])[:5]
    own = [
        row
        for row in _rows(folder, "observations")
        if row["mediaID"] == "ridge/20240501_120000.png"
    ]
    assert [row["bboxX"] for row in own] == ["0.250000", "0.500000"]
    assert (own[1]["observationType"], own[1]["classificationProbability"]) == ("human", "0.80000")
    public = {row["mediaID"]: row["filePublic"] for row in _rows(folder, "media")}
    assert public["ridge/20240501_120000.png"] == "false"
    assert public["ridge/20240501_120001.png"] == "true"


def test_a_format_without_its_table_is_refused(predict: Predict, archive: Path) -> None:
    with pytest.raises(ConfigError, match="camtrap-dp and --deployments belong together"):
        predict(archive, formats=["camtrap-dp"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("deploymentID", "latitude"), ("a", 1)], "no column longitude"),
        ([("latitude", "longitude"), (1, 2)], "no column deploymentID"),
        ([("site", "lat", "lon"), ("a", 91, 2)], r"row 2: lat '91' is no number from -90 to 90"),
        ([("site", "lat", "lon"), ("a", 1, 2), ("a", 1, 2)], "row 3: a second row of a"),
        ([("site", "lat", "lon", "start"), ("a", 1, 2, "soon")], "row 2: start 'soon' is no time"),
        ([("site", "lat", "lon"), ("", 1, 2)], "row 2: neither a deploymentID nor a location"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_meant_names_row_and_column(
    rows: list[tuple[object, ...]], said: str, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "deployments.csv", rows)
    with pytest.raises(DataError, match=said):
        read_deployments(table, timezone.utc)
