"""Camtrap DP 1.0.2: what frictionless says, what stands in it, and that the trainer reads it."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeclip.contract.detection import Clock
from edgeclip.errors import ConfigError, DashboardError, MappingError
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip_dashboard.exports.request import ExportRequest, Written
from edgeclip_dashboard.exports.writing import write_export
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.messages import DetectionMessage
from support.camtrap_schemas import problems_of, validate
from support.dashboards import jpeg, media_ref
from support.exported import SOMEWHERE, fill, picture_of, place, say, source_of, visit
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

CAMTRAP = ExportRequest("camtrap-dp")


def _write(desk: Desk, out: Path, request: ExportRequest = CAMTRAP) -> Written:
    return write_export(source_of(desk), request, out, AT + timedelta(days=2))


def _rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _described(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "datapackage.json").read_text("utf-8"))
    return found


def test_ten_thousand_detections_pass_frictionless(desk: Desk, tmp_path: Path) -> None:
    media = [media_ref(jpeg(1))]
    for start in range(1, 10_001, 2000):
        batch = [
            visit(seq, AT + timedelta(minutes=seq), deployment_id=f"place-{seq % 7}", media=media)
            for seq in range(start, start + 2000)
        ]
        desk.store.commit([DetectionMessage(one, one.to_json()) for one in batch], AT)
    desk.commit(picture_of(batch[0], 1))
    for number in range(7):
        place(desk, f"place-{number}")
    request = ExportRequest("camtrap-dp", media="none")
    written = _write(desk, tmp_path / "package", request)
    report = validate(tmp_path / "package")
    assert report.valid, report.flatten(["title", "note"])[:5]
    assert problems_of(_described(tmp_path / "package")) == []
    assert written.detections == len(_rows(tmp_path / "package", "media")) == 10_000


def test_every_kind_of_detection_passes_frictionless(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "package")
    report = validate(tmp_path / "package")
    assert report.valid, report.flatten(["title", "note"])[:5]


def test_a_person_s_word_counts_and_the_machine_s_is_kept(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    _write(desk, tmp_path / "package")
    found = {row["observationID"]: row for row in _rows(tmp_path / "package", "observations")}
    keys = ("observationType", "scientificName", "classificationMethod", "classifiedBy")
    said = {
        name: tuple(found[stored[name].detection_id][key] for key in keys)
        for name in ("told", "right", "wrong", "other", "person", "unknown")
    }
    assert said == {
        "told": ("animal", "Panthera pardus", "machine", "edgeclip leopard@1.0.0"),
        "right": ("animal", "Panthera pardus", "human", "ada"),
        "wrong": ("blank", "", "human", "ada"),
        "other": ("animal", "Crocuta crocuta", "human", "ada"),
        "person": ("human", "", "machine", "edgeclip leopard@1.0.0"),
        "unknown": ("unknown", "", "machine", "edgeclip leopard@1.0.0"),
    }
    wrong = found[stored["wrong"].detection_id]
    assert wrong["observationComments"] == "a branch, in the wind"
    assert "machine:leopard 0.93" in wrong["observationTags"].split("|")
    assert wrong["classificationProbability"] == ""


def test_neither_failures_nor_what_was_taken_back_are_observations(
    desk: Desk, tmp_path: Path
) -> None:
    stored = fill(desk)
    _write(desk, tmp_path / "package")
    events = {row["eventID"] for row in _rows(tmp_path / "package", "observations")}
    absent = {stored[name].detection_id for name in ("failed", "taken back", "a test")}
    assert len(events) == 6
    assert not events & absent


def test_a_visit_is_an_event_and_its_best_frame_has_the_box(desk: Desk, tmp_path: Path) -> None:
    detection = visit(1)
    desk.commit(detection, picture_of(detection, 1))
    place(desk)
    _write(desk, tmp_path / "package")
    event, frame = _rows(tmp_path / "package", "observations")
    assert (event["observationLevel"], event["mediaID"], event["bboxX"]) == ("event", "", "")
    assert event["eventStart"] == "2026-05-01T02:03:04Z"
    assert event["eventEnd"] == "2026-05-01T02:03:13Z"
    [medium] = _rows(tmp_path / "package", "media")
    assert frame["observationLevel"] == "media"
    assert frame["mediaID"] == medium["mediaID"]
    box = [frame[key] for key in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")]
    assert box == ["0.100000", "0.200000", "0.300000", "0.400000"]
    assert (tmp_path / "package" / medium["filePath"]).read_bytes() == picture_of(detection, 1).data


def test_where_nothing_moved_the_box_is_that_of_the_heat(desk: Desk, tmp_path: Path) -> None:
    seen = visit(1)
    assert seen.gate is not None
    still = seen.gate.model_copy(update={"boxes": [], "forced": True})
    told = seen.model_copy(update={"gate": still, "box": (0.5, 0.25, 0.25, 0.125)})
    desk.commit(told, picture_of(told, 1))
    place(desk)
    _write(desk, tmp_path / "package")
    _, frame = _rows(tmp_path / "package", "observations")
    box = [float(frame[key]) for key in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")]
    assert box == [0.5, 0.25, 0.25, 0.125]


def test_people_stay_here_unless_they_are_asked_for(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    written = _write(desk, tmp_path / "without")
    _write(desk, tmp_path / "with", ExportRequest("camtrap-dp", with_people=True))
    for folder, is_there in ((tmp_path / "without", False), (tmp_path / "with", True)):
        media = {row["mediaID"][:36]: row for row in _rows(folder, "media")}
        medium = media.pop(stored["person"].detection_id)
        assert medium["filePublic"] == "false"
        assert (folder / medium["filePath"]).exists() is is_there
        assert {row["filePublic"] for row in media.values()} == {"true"}
    assert "1 picture with people stayed here: --with-people takes them along" in written.notes


def test_a_verdict_that_says_person_makes_a_picture_private(desk: Desk, tmp_path: Path) -> None:
    detection = visit(1)
    desk.commit(detection, picture_of(detection, 1))
    place(desk)
    say(desk, detection, "other", "person")
    _write(desk, tmp_path / "package")
    [medium] = _rows(tmp_path / "package", "media")
    assert medium["filePublic"] == "false"


def test_a_sensitive_place_is_told_as_the_middle_of_a_cell(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "package", ExportRequest("camtrap-dp", obscure_deg=0.1))
    [row] = _rows(tmp_path / "package", "deployments")
    assert (row["latitude"], row["longitude"]) == ("-3.150000", "36.550000")
    assert int(row["coordinateUncertainty"]) > 7000
    assert _described(tmp_path / "package")["coordinatePrecision"] == 0.1
    written = b"".join(path.read_bytes() for path in (tmp_path / "package").glob("*.*"))
    assert not any(str(angle).encode() in written for angle in SOMEWHERE)


def test_a_deployment_is_as_people_described_it(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    since = AT - timedelta(days=30)
    place(desk, name="Ridge, north", habitat="miombo", started_at=since, uncertainty_m=4.2)
    _write(desk, tmp_path / "package")
    [row] = _rows(tmp_path / "package", "deployments")
    assert (row["locationName"], row["habitat"]) == ("Ridge, north", "miombo")
    assert (row["deploymentStart"], row["coordinateUncertainty"]) == ("2026-04-01T02:03:04Z", "5")
    assert row["timestampIssues"] == "false"


def test_a_clock_that_was_not_trusted_is_told(desk: Desk, tmp_path: Path) -> None:
    time = visit(1).time.model_copy(update={"clock": Clock(trusted=False, source="none")})
    desk.commit(visit(1, time=time))
    place(desk)
    _write(desk, tmp_path / "package")
    [row] = _rows(tmp_path / "package", "deployments")
    assert row["timestampIssues"] == "true"


def test_a_place_without_coordinates_is_asked_for_and_nothing_is_written(
    desk: Desk, tmp_path: Path
) -> None:
    desk.commit(visit(1))
    with pytest.raises(
        MappingError, match=r"needs coordinates, which are unknown of ridge-2026 .*: fill"
    ):
        _write(desk, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_class_without_a_scientific_name_is_told(desk: Desk, tmp_path: Path) -> None:
    desk.commit(visit(1, class_name="impala", top=[("impala", 0.93)]))
    place(desk)
    written = _write(desk, tmp_path / "package")
    [event] = _rows(tmp_path / "package", "observations")
    assert event["scientificName"] == ""
    assert "class:impala" in event["observationTags"].split("|")
    assert any("[export].scientific_names" in note for note in written.notes)


def test_pictures_can_be_named_by_their_address(desk: Desk, tmp_path: Path) -> None:
    detection = visit(1)
    desk.commit(detection, picture_of(detection, 1))
    place(desk)
    source = source_of(desk, "https://cats.example")
    write_export(source, ExportRequest("camtrap-dp", media="url"), tmp_path / "package", AT)
    [medium] = _rows(tmp_path / "package", "media")
    assert medium["filePath"] == f"https://cats.example/media/{detection.media[0].sha256}.jpg"
    assert not (tmp_path / "package" / "media").exists()


def test_addresses_need_a_public_url(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[page\].public_url"):
        _write(desk, tmp_path / "package", ExportRequest("camtrap-dp", media="url"))


def test_an_archive_holds_the_same_as_a_folder(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "package")
    _write(desk, tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    files = [path for path in (tmp_path / "package").rglob("*") if path.is_file()]
    loose = {str(path.relative_to(tmp_path / "package")): path.read_bytes() for path in files}
    assert packed == loose


def test_only_what_the_filter_lets_through_is_written(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    asked = DetectionFilter(class_names=("hyena",))
    written = _write(desk, tmp_path / "package", ExportRequest("camtrap-dp", asked))
    assert written.detections == 1


def test_what_is_there_is_not_replaced(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    (tmp_path / "package.zip").write_text("mine")
    with pytest.raises(ConfigError, match="is there: choose another name, or add --overwrite"):
        _write(desk, tmp_path / "package.zip")
    assert (tmp_path / "package.zip").read_text() == "mine"


def test_an_export_that_fails_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    here = tmp_path / "here"
    here.mkdir()
    for picture in (tmp_path / "media").rglob("*.jpg"):
        picture.unlink()
        picture.symlink_to("/proc/self/mem")  # opens, and cannot be read
    for name in ("package", "package.zip"):
        with pytest.raises(DashboardError, match="cannot be written"):
            _write(desk, here / name)
    assert list(here.iterdir()) == []


def test_the_trainer_reads_it(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    _write(desk, tmp_path / "package", ExportRequest("camtrap-dp", with_people=True))
    dataset = read_dataset(ReadingOptions(data=tmp_path / "package"))
    labels = {image.path.name[17:53]: image.class_name for image in dataset.images}
    assert labels == {
        stored["told"].detection_id: "Panthera pardus",
        stored["right"].detection_id: "Panthera pardus",
        stored["wrong"].detection_id: "blank",
        stored["other"].detection_id: "Crocuta crocuta",
        stored["person"].detection_id: "human",
    }
    assert {image.location for image in dataset.images} == {"ridge-2026"}
    assert dataset.problems == ()
