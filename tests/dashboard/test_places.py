"""What people know of deployments: forms, tables, the map's view."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from edgeclip.contract.reports import Status
from edgeclip.errors import DashboardError, DataError
from edgeclip_dashboard.config_field import MapSettings, tile_origin
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.deployments import new_deployment
from edgeclip_dashboard.field.overview import read_overview
from edgeclip_dashboard.field.places import place_of, read_places, save_place, texts_of
from edgeclip_dashboard.field.places_table import import_places, read_table
from edgeclip_dashboard.field.projection import View, degrees, grid_of, view_of
from edgeclip_dashboard.headers import security_headers
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import InfoMessage, StatusMessage
from edgeclip_dashboard.messages_field import AlarmMessage
from edgeclip_dashboard.models_people import Deed
from edgeclip_dashboard.verdicts import Said, give_verdict
from support.dashboards import sample
from support.reports_of_a_device import DEVICE, alarm, info
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
ANA = Identity("ana", "reviewer")


def _texts(**changes: str) -> dict[str, str]:
    return {"name": "North ridge", "latitude": "-0.42", "longitude": "37.3"} | changes


def _save(desk: Desk, deployment_id: str = "ridge-2026", **changes: str) -> bool:
    with Session(desk.engine) as session, session.begin():
        return save_place(session, deployment_id, place_of(_texts(**changes)), ANA, NOW)


def test_times_without_a_zone_are_in_the_places_own() -> None:
    place = place_of(_texts(started_at="2026-05-01 06:30", time_zone="Africa/Nairobi"))
    assert place.started_at == datetime(2026, 5, 1, 3, 30, tzinfo=timezone.utc)
    assert texts_of(place)["started_at"] == "2026-05-01 06:30"
    assert place_of(_texts(ended_at="2026-05-01T06:30:00Z")).ended_at == datetime(
        2026, 5, 1, 6, 30, tzinfo=timezone.utc
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"latitude": "91"}, "latitude", id="no latitude"),
        pytest.param({"latitude": "nan"}, "latitude", id="not a number"),
        pytest.param({"latitude": "north"}, "latitude", id="a word"),
        pytest.param({"longitude": ""}, "latitude and longitude belong together", id="one alone"),
        pytest.param({"uncertainty_m": "-1"}, "uncertainty_m", id="below zero"),
        pytest.param({"started_at": "yesterday"}, "started_at: 'yesterday' is no time", id="day"),
        pytest.param({"time_zone": "../etc/passwd"}, "Africa/Nairobi", id="no zone"),
        pytest.param(
            {"started_at": "2026-05-02", "ended_at": "2026-05-01"}, "before started_at", id="order"
        ),
        pytest.param({"name": " "}, "name", id="no name"),
        pytest.param({"name": "x" * 101}, "name", id="long name"),
        pytest.param({"habitat": "a\x00b"}, "habitat", id="NUL"),
        pytest.param({"colour": "red"}, "colour", id="unknown field"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(DashboardError, match=said):
        place_of(_texts(**changes))


def test_a_place_is_saved_with_the_deed_and_once(desk: Desk) -> None:
    assert _save(desk, habitat="bamboo")
    assert not _save(desk, habitat="bamboo")
    with Session(desk.engine) as session:
        [row] = read_places(session)
        assert (row.name, row.latitude, row.habitat) == ("North ridge", -0.42, "bamboo")
        [deed] = session.scalars(select(Deed))
        assert (deed.account_name, deed.subject) == ("ana", "ridge-2026")


def test_what_a_form_leaves_empty_becomes_unknown(desk: Desk) -> None:
    _save(desk)
    _save(desk, latitude="", longitude="")
    with Session(desk.engine) as session:
        assert read_places(session)[0].latitude is None


def test_no_place_has_an_id_of_other_letters(desk: Desk) -> None:
    with pytest.raises(DashboardError, match="is no id"):
        _save(desk, "Ridge/2026")


def _database(folder: Path) -> URL:
    """Return the address of a database that a dashboard has made."""
    url = database_url(str(folder / "d.sqlite"))
    with open_database(url, project="demo"):
        return url


def _table(folder: Path, text: str) -> Path:
    file = folder / "places.csv"
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_a_table_of_camtrap_dp_is_read_as_it_is(tmp_path: Path) -> None:
    file = _table(
        tmp_path,
        "deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,"
        "deploymentStart,deploymentEnd,cameraModel,habitat\n"
        "d1,l1,Söder,52.1,4.3,187,2020-05-30T02:57:37Z,2020-07-01T09:41:41Z,Reconyx,dunes\n"
        ",,,,,,,,,\n",
    )
    [(deployment_id, place)] = read_table(file)
    assert (deployment_id, place.name, place.uncertainty_m) == ("d1", "Söder", 187)
    assert place.started_at == datetime(2020, 5, 30, 2, 57, 37, tzinfo=timezone.utc)


def test_a_table_is_written_whole(tmp_path: Path) -> None:
    url = _database(tmp_path)
    file = _table(tmp_path, "deployment_id,latitude,longitude\na,1,2\nb,,\n")
    assert import_places(file, url, "demo") == (2, 0, ("a", "b"))
    assert import_places(file, url, "demo") == (0, 2, ())


def test_a_table_says_which_of_its_places_are_new_here(tmp_path: Path) -> None:
    url = _database(tmp_path)
    import_places(_table(tmp_path, "deployment_id,latitude,longitude\na,1,2\nb,,\n"), url, "demo")
    file = _table(tmp_path, "deployment_id,latitude,longitude\na,3,2\nb,,\nrigde,1,1\n")
    found = import_places(file, url, "demo")
    assert found.said == (
        "2 places are written, 1 of them new here (rigde), 1 was as the table says"
    )
    assert import_places(file, url, "demo").said == (
        "0 places are written, 3 were as the table says"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("id,latitude\na,1\n", "no column deployment_id", id="no ids"),
        pytest.param("deployment_id,latitude,longitude\na,1,2\nb,99,2\n", "line 3: lat", id="line"),
        pytest.param('deployment_id\n"a', "cannot be read", id="a quote that stays open"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    url = _database(tmp_path)
    with pytest.raises(DataError, match=said):
        import_places(_table(tmp_path, text), url, "demo")


def test_a_line_of_no_id_writes_nothing(tmp_path: Path) -> None:
    url = _database(tmp_path)
    file = _table(tmp_path, "deployment_id\ngood\nNOT GOOD\n")
    with pytest.raises(DashboardError, match="is no id"):
        import_places(file, url, "demo")
    assert import_places(_table(tmp_path, "deployment_id\ngood\n"), url, "demo").written == 1


def test_the_overview_says_how_each_place_stands(desk: Desk) -> None:
    online = Status(state="online", since=AT, bdseq=1)
    desk.commit(StatusMessage(DEVICE, online), InfoMessage(info()), sample(seq=1))
    with Session(desk.engine) as session, session.begin():
        session.add(new_deployment("aside", NOW))
    ledger = Ledger.from_database(desk.engine)
    with Session(desk.engine) as session:
        places = read_overview(session, ledger, AT + timedelta(days=1))
        assert [(p.deployment_id, p.standing, p.recent) for p in places] == [
            ("aside", "empty", 0), ("ridge-2026", "online", 1),
        ]  # fmt: skip
    desk.commit(AlarmMessage(DEVICE, "disk_low", alarm()))
    with Session(desk.engine) as session:
        late = read_overview(session, ledger, AT + timedelta(days=30))
    assert [(place.standing, place.recent) for place in late] == [("empty", 0), ("alarm", 0)]


def test_a_failure_a_test_and_what_was_judged_wrong_are_no_detections_of_a_place(
    desk: Desk,
) -> None:
    failed = {"class_name": None, "probability": None, "failure": "engine_failed", "votes": None}
    wrong = sample(seq=4)
    desk.commit(sample(seq=1), sample(seq=2, **failed), sample(seq=3, test=True), wrong)
    with Session(desk.engine) as session, session.begin():
        give_verdict(session, ANA, wrong.detection_id, Said("wrong"), NOW)
    with Session(desk.engine) as session:
        [place] = read_overview(session, Ledger.from_database(desk.engine), AT + timedelta(days=1))
    assert place.recent == 1


def test_a_view_holds_all_points() -> None:
    view = view_of([(-1.0, 36.0), (1.0, 38.0)])
    assert view.center == (0.0, 37.0)
    pixels_a_degree = 256 * 2**view.zoom / 360
    assert 2 * pixels_a_degree <= 400
    assert 4 * pixels_a_degree > 400
    assert view_of([(46.5, 8.1)]).zoom == 15
    assert view_of([]).zoom == 2


def test_a_grid_has_a_round_step_and_names_its_lines() -> None:
    step, latitudes, longitudes = grid_of(View((46.503, 8.117), 12))
    assert step == 0.05
    assert min(latitudes) < 46.503 < max(latitudes)
    assert min(longitudes) < 8.117 < max(longitudes)
    assert degrees(46.5, step) == "46.50°"
    _, latitudes, longitudes = grid_of(View((80.0, 179.0), 2))
    assert max(latitudes) <= 85
    assert max(longitudes) <= 180


def test_a_browser_is_let_to_the_tiles_alone() -> None:
    tiles = "https://{s}.tile.example.org/{z}/{x}/{y}.png"
    assert tile_origin(tiles) == "https://*.tile.example.org"
    policy = security_headers(tiles)["Content-Security-Policy"]
    assert "img-src 'self' data: https://*.tile.example.org;" in policy
    assert "example" not in security_headers(None)["Content-Security-Policy"]


@pytest.mark.parametrize(
    "tiles",
    [
        "https://tiles.example.org/",
        "javascript:alert(1)//{z}{x}{y}",
        "https:///{z}/{x}/{y}",
        "https://a.org;script-src/{z}/{x}/{y}",
        "https://a.org *{z}{x}{y}",
    ],
)
def test_what_is_no_address_of_tiles_is_refused(tiles: str) -> None:
    with pytest.raises(ValueError, match="tiles"):
        MapSettings(tiles=tiles)
