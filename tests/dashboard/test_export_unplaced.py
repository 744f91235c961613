"""What was seen at places without coordinates: left out where that is asked for, and told."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from edgeclip.errors import MappingError
from edgeclip_dashboard.cli import app
from edgeclip_dashboard.exports.request import FORMATS, ExportRequest, Format, Written
from edgeclip_dashboard.exports.writing import write_export
from edgeclip_dashboard.models_people import Deed
from support.camtrap_schemas import problems_of, validate
from support.exported import fill, picture_of, place, say, source_of, visit
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

LOST: dict[str, Any] = {"deployment_id": "swamp-2026"}
TOLD = "2 detections of 1 place without coordinates are left out (swamp-2026)"
NOTE = f"{TOLD}: fill them in on the page Places"


@pytest.fixture
def half_placed(desk: Desk) -> Desk:
    """One of each kind at a known place; at another two observations and a failure."""
    fill(desk)
    nothing: dict[str, Any] = {"class_name": None, "probability": None, "top": []}
    failed = nothing | {"observation_type": "unclassified", "failure": "engine_failed"}
    first = visit(20, AT + timedelta(days=1), **LOST)
    desk.commit(first, picture_of(first, 20))
    desk.commit(visit(21, AT + timedelta(days=1, hours=1), **LOST))
    desk.commit(visit(22, AT + timedelta(days=1, hours=2), **LOST, **failed))
    return desk


def _write(desk: Desk, out: Path, kind: Format = "camtrap-dp") -> Written:
    request = ExportRequest(kind, leave_out_unplaced=True)
    return write_export(source_of(desk), request, out, AT + timedelta(days=2))


def _places(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["deploymentID"] for row in csv.DictReader(file)}


def test_camtrap_dp_without_them_is_valid_and_says_what_is_left_out(
    half_placed: Desk, tmp_path: Path
) -> None:
    written = _write(half_placed, tmp_path / "package")
    report = validate(tmp_path / "package")
    assert report.valid, report.flatten(["title", "note"])[:5]
    described = json.loads((tmp_path / "package" / "datapackage.json").read_text("utf-8"))
    assert problems_of(described) == []
    assert described["description"] == f"{TOLD}."
    assert NOTE in written.notes
    assert (written.detections, written.left_out) == (6, 2)
    for table in ("deployments", "media", "observations"):
        assert _places(tmp_path / "package" / f"{table}.csv") == {"ridge-2026"}
    assert not (tmp_path / "package" / "media" / "swamp-2026").exists()


def test_without_the_choice_the_refusal_says_how_much_it_is_about(
    half_placed: Desk, tmp_path: Path
) -> None:
    said = r"unknown of swamp-2026 \(2 detections\): fill .* --leave-out-unplaced"
    with pytest.raises(MappingError, match=said):
        write_export(source_of(half_placed), ExportRequest("camtrap-dp"), tmp_path / "p", AT)
    assert not (tmp_path / "p").exists()


def test_a_place_where_nothing_but_failures_was_seen_holds_up_no_package(
    desk: Desk, tmp_path: Path
) -> None:
    fill(desk)
    taken_back = visit(20, phase="retract", **LOST)
    desk.commit(taken_back)
    written = write_export(source_of(desk), ExportRequest("camtrap-dp"), tmp_path / "package", AT)
    assert (written.detections, written.left_out) == (6, 0)
    say(desk, taken_back, "right")
    with pytest.raises(MappingError, match="unknown of swamp-2026"):
        write_export(source_of(desk), ExportRequest("camtrap-dp"), tmp_path / "again", AT)


def test_a_place_that_is_known_in_half_is_not_known(half_placed: Desk, tmp_path: Path) -> None:
    place(half_placed, "swamp-2026", longitude=None)
    assert _write(half_placed, tmp_path / "package").left_out == 2
    place(half_placed, "swamp-2026")
    assert _write(half_placed, tmp_path / "again").left_out == 0


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "camtrap-dp"])
def test_every_other_format_leaves_them_out_too_if_asked(
    half_placed: Desk, tmp_path: Path, kind: Format
) -> None:
    out = tmp_path / "out.json"
    written = _write(half_placed, out, kind)
    assert "swamp-2026" not in out.read_text("utf-8")
    assert "ridge-2026" in out.read_text("utf-8")
    count = 2 if kind == "geojson" else 3  # the others would have had a row for the failure
    assert written.left_out == count
    assert any(note.startswith(f"{count} detections of 1 place") for note in written.notes)


def test_where_all_are_left_out_it_is_not_the_filter_that_is_blamed(
    desk: Desk, tmp_path: Path
) -> None:
    desk.commit(visit(1))
    written = _write(desk, tmp_path / "package")
    [note] = written.notes
    assert note.startswith("1 detection of 1 place without coordinates is left out (ridge-2026): ")
    assert validate(tmp_path / "package").valid


def test_the_command_tells_it_and_the_book_of_deeds_keeps_it(
    half_placed: Desk, tmp_path: Path
) -> None:
    store = ["--database", str(tmp_path / "d.sqlite"), "--media-folder", str(tmp_path / "media")]
    export = ["export", "camtrap-dp", str(tmp_path / "p.zip"), "--leave-out-unplaced", *store]
    told = CliRunner().invoke(app, export, catch_exceptions=False).output
    assert f"note: {NOTE}" in told.splitlines()
    with Session(half_placed.engine) as session:
        [deed] = session.scalars(select(Deed))
    assert deed.subject == "camtrap-dp, 6 detections, 2 left out"
