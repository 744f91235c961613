"""The commands `export` and `export-labels`, as a person calls them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from edgeclip.contract.detection import Detection
from edgeclip.contract.plurals import counted
from edgeclip.errors import ConfigError, DashboardError, MappingError
from edgeclip_dashboard.cli import app
from edgeclip_dashboard.models_people import Deed
from support.exported import fill, picture_of, say, visit
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _run(tmp_path: Path, *arguments: str) -> str:
    """Run a command on the desk's store while the desk has it open; return what it prints."""
    store = ["--database", str(tmp_path / "d.sqlite"), "--media-folder", str(tmp_path / "media")]
    done = CliRunner().invoke(app, [*arguments, *store], catch_exceptions=False)
    return done.output


def test_an_export_beside_a_running_dashboard_says_what_it_wrote(
    desk: Desk, tmp_path: Path
) -> None:
    fill(desk)
    told = _run(tmp_path, "export", "camtrap-dp", str(tmp_path / "package"), "--obscure", "0.1")
    assert told.splitlines()[0] == f"{tmp_path / 'package'}: 6 detections, 5 pictures"
    assert "note: 1 picture with people stayed here" in told
    assert (tmp_path / "package" / "datapackage.json").is_file()
    with Session(desk.engine) as session:
        [deed] = session.scalars(select(Deed))
    said = (deed.account_name, deed.deed, deed.subject)
    assert said == ("command line", "exported", "camtrap-dp, 6 detections")


def test_the_filter_s_options_are_those_of_the_pages(desk: Desk, tmp_path: Path) -> None:
    first = visit(1, AT)
    second = visit(2, AT + timedelta(days=2), class_name="boar", top=[("boar", 0.93)])
    desk.commit(first, second)
    say(desk, first, "right")
    cases = [
        (first, "--species leopard"),
        (first, "--until 2026-05-02"),
        (first, "--reviewed yes"),
        (second, "--species boar"),
        (second, "--since 2026-05-02T00:00Z"),
        (second, "--reviewed no"),
    ]
    out = tmp_path / "out.geojson"
    for detection, option in cases:
        _run(tmp_path, "export", "geojson", str(out), "--overwrite", *option.split())
        found = [feature["id"] for feature in json.loads(out.read_text())["features"]]
        assert found == [detection.detection_id], option


LAST_OF_APRIL = datetime(2026, 4, 30, 20, 59, tzinfo=timezone.utc)  # 23:59 in Nairobi
FIRST_OF_MAY = datetime(2026, 4, 30, 21, tzinfo=timezone.utc)  # midnight there


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        pytest.param("--since 2026-05-01", [FIRST_OF_MAY], id="from midnight on"),
        pytest.param("--until 2026-05-01", [LAST_OF_APRIL], id="before midnight"),
        pytest.param("--since 2026-04-30T23:59:30", [FIRST_OF_MAY], id="with a time"),
        pytest.param("--until 2026-05-01T00:00:30", [LAST_OF_APRIL, FIRST_OF_MAY], id="after it"),
        pytest.param("--since 2026-05-01T00:00Z", [], id="UTC, where that is said"),
        pytest.param("--until 2026-05-01T00:00Z", [LAST_OF_APRIL, FIRST_OF_MAY], id="until UTC"),
        pytest.param("--since 2026-04-30T22:00+01:00", [FIRST_OF_MAY], id="of another zone"),
        pytest.param("--since 2026-04-30T22:01+01:00", [], id="a minute later"),
    ],
)
def test_days_begin_at_the_projects_midnight(
    desk: Desk, tmp_path: Path, options: str, seen: list[datetime]
) -> None:
    config = tmp_path / "dashboard.toml"
    config.write_text('[page]\ntime_zone = "Africa/Nairobi"\n')
    stored = {}
    for seq, at in enumerate((LAST_OF_APRIL, FIRST_OF_MAY), 1):
        detection = _seen_at(at, seq)
        desk.commit(detection, picture_of(detection, seq))
        say(desk, detection, "right")
        stored[detection.detection_id] = at
    out = tmp_path / "out.geojson"
    _run(tmp_path, "export", "geojson", str(out), *options.split(), "--config", str(config))
    found = [feature["id"] for feature in json.loads(out.read_text())["features"]]
    assert [stored[one] for one in found] == seen
    if seen:
        labels = tmp_path / "labels.csv"
        options += f" --config {config}"
        told = _run(tmp_path, "export-labels", str(labels), *options.split())
        assert told.splitlines()[0].endswith(counted(len(seen), "picture"))


def test_without_a_clock_of_the_project_days_are_utc(desk: Desk, tmp_path: Path) -> None:
    desk.commit(_seen_at(LAST_OF_APRIL, 1), _seen_at(FIRST_OF_MAY, 2))
    out = tmp_path / "out.geojson"
    _run(tmp_path, "export", "geojson", str(out), "--until", "2026-05-01")
    assert len(json.loads(out.read_text())["features"]) == 2


def test_the_help_says_by_which_clock() -> None:
    for command in ("export", "export-labels"):
        told = " ".join(CliRunner().invoke(app, [command, "--help"]).output.split())
        assert "without a zone by [page].time_zone" in told


def _seen_at(at: datetime, seq: int) -> Detection:
    """Return a visit that was seen best at a time."""
    time = visit(seq).time.model_copy(update={"started_at": at, "best_at": at, "ended_at": at})
    return visit(seq, time=time)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("xml", "out"), "'xml' is no format: take one of camtrap-dp", id="format"),
        pytest.param(("csv", "out", "--obscure", "0.3"), "not 0.3", id="grid"),
        pytest.param(("csv", "out", "--media", "link"), "take one of copy, url, none", id="media"),
        pytest.param(("csv", "out", "--since", "May"), "since: 'May' is no time", id="time"),
        pytest.param(("csv", "out", "--reviewed", "maybe"), "reviewed", id="reviewed"),
        pytest.param(("csv", "out", "--min-probability", "2"), "min_probability", id="probability"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_opened(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        _run(tmp_path, "export", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match=r"d\.sqlite is no database"):
        _run(tmp_path, "export", "csv", str(tmp_path / "out.csv"))


def test_an_export_that_is_refused_is_no_deed(desk: Desk, tmp_path: Path) -> None:
    desk.commit(visit(1))
    with pytest.raises(MappingError):
        _run(tmp_path, "export", "camtrap-dp", str(tmp_path / "package"))
    with Session(desk.engine) as session:
        assert session.scalars(select(Deed)).all() == []


def test_labels_name_the_next_command(desk: Desk, tmp_path: Path) -> None:
    detection = visit(1)
    desk.commit(detection, picture_of(detection, 1))
    say(desk, detection, "other", "boar")
    told = _run(tmp_path, "export-labels", str(tmp_path / "labels.csv"))
    assert told.splitlines() == [
        f"{tmp_path / 'labels.csv'}: 1 detection, 1 picture",
        f"next: edgeclip data check {tmp_path / 'labels.csv'}",
    ]
