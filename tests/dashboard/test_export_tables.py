"""CSV, GeoJSON and MegaDetector JSON."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeclip.contract.detection import Clock, Time
from edgeclip.contract.logbook import ClockFix
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip_dashboard.exports.request import ExportRequest, Format, Written
from edgeclip_dashboard.exports.writing import write_export
from edgeclip_dashboard.messages_field import ClockFixMessage
from support.exported import SOMEWHERE, fill, picture_of, place, source_of, visit
from support.megadetector_rules import broken_rules
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _write(desk: Desk, out: Path, kind: Format, **options: Any) -> Written:
    request = ExportRequest(kind, **options)
    return write_export(source_of(desk), request, out, AT + timedelta(days=2))


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_a_row_a_visit_says_what_counts_and_what_the_device_said(
    desk: Desk, tmp_path: Path
) -> None:
    stored = fill(desk)
    written = _write(desk, tmp_path / "visits.csv", "csv")
    rows = {row["visit_id"]: row for row in _rows(tmp_path / "visits.csv")}
    assert written.detections == len(rows) == 8
    other = rows[stored["other"].detection_id]
    keys = ("label", "scientific_name", "classified_by", "verdict", "device_label", "probability")
    said = [other[key] for key in keys]
    assert said == ["hyena", "Crocuta crocuta", "ada", "other", "leopard", "0.93"]
    failed = rows[stored["failed"].detection_id]
    assert (failed["label"], failed["failure"]) == ("", "engine_failed")
    assert rows[stored["told"].detection_id]["latitude"] == "-3.123456"


def test_a_cell_that_a_spreadsheet_would_run_is_text(desk: Desk, tmp_path: Path) -> None:
    desk.commit(visit(1, class_name="=1+1", top=[("=1+1", 0.93)]))
    place(desk, name="@SUM(A1)")
    _write(desk, tmp_path / "visits.csv", "csv")
    [row] = _rows(tmp_path / "visits.csv")
    assert (row["label"], row["location"]) == ("'=1+1", "'@SUM(A1)")


def test_a_row_a_frame_has_a_column_for_each_class(desk: Desk, tmp_path: Path) -> None:
    boar = visit(1, class_name="boar", top=[("boar", 0.8), ("blank", 0.2)], probability=0.8)
    leopard = visit(2, top=[("leopard", 0.93), ("hyena", 0.05)])
    for seed, detection in enumerate((boar, leopard), 1):
        desk.commit(detection, picture_of(detection, seed))
    _write(desk, tmp_path / "frames.csv", "csv-frames")
    first, second = _rows(tmp_path / "frames.csv")
    names = [name for name in first if name.startswith("p(")]
    assert names == ["p(boar)", "p(blank)", "p(leopard)", "p(hyena)"]
    assert [first[name] for name in names] == ["0.8", "0.2", "", ""]
    assert [second[name] for name in names] == ["", "", "0.93", "0.05"]
    assert first["bbox_w"] == "0.3"


def test_points_have_the_longitude_first(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "visits.geojson", "geojson")
    found = _json(tmp_path / "visits.geojson")
    assert found["type"] == "FeatureCollection"
    assert len(found["features"]) == 6
    latitude, longitude = SOMEWHERE
    assert found["features"][0]["geometry"] == {
        "type": "Point",
        "coordinates": [longitude, latitude],
    }


def test_a_visit_that_is_nowhere_has_no_geometry_and_is_counted(desk: Desk, tmp_path: Path) -> None:
    desk.commit(visit(1))
    written = _write(desk, tmp_path / "visits.geojson", "geojson")
    [feature] = _json(tmp_path / "visits.geojson")["features"]
    assert feature["geometry"] is None
    assert written.notes == ("1 detection without coordinates: fill them in on the page Places",)


def test_a_sensitive_place_is_in_no_table(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "visits.csv", "csv", obscure_deg=0.1)
    _write(desk, tmp_path / "visits.geojson", "geojson", obscure_deg=0.1)
    written = (tmp_path / "visits.csv").read_text() + (tmp_path / "visits.geojson").read_text()
    assert "-3.15" in written
    assert not any(str(angle) in written for angle in SOMEWHERE)


def test_an_empty_store_gives_whole_files(desk: Desk, tmp_path: Path) -> None:
    written = _write(desk, tmp_path / "visits.geojson", "geojson")
    _write(desk, tmp_path / "results.json", "md-json")
    assert _json(tmp_path / "visits.geojson")["features"] == []
    assert broken_rules(_json(tmp_path / "results.json")) == []
    assert written.notes == ("no detection meets the filter",)


def test_results_keep_megadetector_s_format(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    _write(desk, tmp_path / "images", "md-json", with_people=True)
    results = _json(tmp_path / "images" / "edgeclip.json")
    assert broken_rules(results) == []
    assert all((tmp_path / "images" / image["file"]).is_file() for image in results["images"])


def test_results_say_what_counts(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    _write(desk, tmp_path / "results.json", "md-json", with_people=True)
    results = _json(tmp_path / "results.json")
    images = {image["file"][28:64]: image for image in results["images"]}
    names = results["classification_categories"]

    def said(name: str) -> Any:
        image = images[stored[name].detection_id]
        if image["failure"]:
            return image["failure"], image["detections"]
        return [
            (
                one["category"],
                one["conf"],
                [names[key] for key, _ in one.get("classifications", [])],
            )
            for one in image["detections"]
        ]

    assert said("told") == [("1", 0.93, ["leopard"])]
    assert said("other") == [("1", 1.0, ["hyena"])]
    assert said("wrong") == []
    assert said("person") == [("2", 1.0, ["person"])]
    assert said("unknown") == [("1", 1.0, [])]
    assert said("taken back") == [("1", 0.93, [])]
    assert said("failed") == ("engine_failed", None)
    described = results["classification_category_descriptions"]
    assert {names[key]: text for key, text in described.items()}["hyena"] == ";;;;;crocutacrocuta"


def test_results_leave_people_out(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    written = _write(desk, tmp_path / "images.zip", "md-json")
    assert any("with people stayed here" in note for note in written.notes)
    _write(desk, tmp_path / "results.json", "md-json")
    assert stored["person"].detection_id not in (tmp_path / "results.json").read_text()


def test_the_trainer_reads_the_results(desk: Desk, tmp_path: Path) -> None:
    stored = fill(desk)
    _write(desk, tmp_path / "images", "md-json")
    dataset = read_dataset(ReadingOptions(data=tmp_path / "images" / "edgeclip.json"))
    labels = {image.path.name[17:53]: image.class_name for image in dataset.images}
    assert labels[stored["told"].detection_id] == "leopard"
    assert labels[stored["other"].detection_id] == "hyena"
    assert labels[stored["wrong"].detection_id] == "blank"
    [failure] = dataset.problems
    assert "engine_failed" in failure.what


def test_times_that_lie_further_apart_than_calendars_go_stop_no_export(
    desk: Desk, tmp_path: Path
) -> None:
    clock = Clock(trusted=False, source="none")
    first, last = (
        datetime(1970, 1, 2, tzinfo=timezone.utc),
        datetime(8999, 1, 1, tzinfo=timezone.utc),
    )
    time = Time(started_at=first, best_at=first, ended_at=last, boot_ns=0, clock=clock)
    detection = visit(1).model_copy(update={"time": time})
    fix = ClockFix.model_validate(
        {"boot_id": detection.boot_id, "at_boot_ns": 0, "true_at": "8998-01-01T00:00:00Z",
         "offset_ms": None, "source": "ntp", "error_ms": None}
    )  # fmt: skip
    desk.commit(detection, ClockFixMessage(detection.device_id, fix))
    _write(desk, tmp_path / "visits.csv", "csv")
    [row] = _rows(tmp_path / "visits.csv")
    assert (row["clock"], row["ended_at"]) == ("put_right", "8998-01-01T00:00:00Z")
