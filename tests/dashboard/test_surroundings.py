from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip_dashboard.deployments import new_deployment
from edgeclip_dashboard.messages_field import HealthMessage
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.surroundings import read_surroundings
from support.reports_of_a_device import health

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _told(device_id: str, minutes: int, battery_v: float | None) -> HealthMessage:
    well = health(NOW + timedelta(minutes=minutes), power={"battery_v": battery_v})
    told = well.model_copy(update={"device_id": device_id})
    return HealthMessage(told, told.to_json())


def _place(deployment_id: str, name: str, time_zone: str = "") -> Deployment:
    empty = dict.fromkeys(("camera_model", "setup_by", "habitat", "comments"), "")
    return Deployment(
        deployment_id=deployment_id, name=name, time_zone=time_zone, updated_at=NOW, **empty
    )


def test_the_newest_battery_that_was_measured_counts(desk: Desk) -> None:
    desk.commit(_told("a", 1, 12.6), _told("a", 2, 12.4), _told("a", 3, None))
    desk.commit(_told("b", 1, None), _told("c", 9, 3.7))
    with Session(desk.engine) as session:
        assert read_surroundings(session, ["a", "b"]).batteries == {"a": 12.4}


def test_a_place_has_the_name_that_a_person_gave_it(desk: Desk) -> None:
    with Session(desk.engine) as session, session.begin():
        session.add_all([_place("ridge", "North ridge"), _place("gorge", "")])
    with Session(desk.engine) as session:
        assert read_surroundings(session, []).places == {"ridge": "North ridge"}


def test_a_place_has_a_clock_where_a_person_has_noted_one(desk: Desk) -> None:
    with Session(desk.engine) as session, session.begin():
        session.add_all([_place("ridge", "", "Africa/Nairobi"), new_deployment("gorge", NOW)])
        session.add_all([_place("crater", "", "Mars/Olympus"), _place("delta", "")])
    with Session(desk.engine) as session:
        assert read_surroundings(session, []).zones == {"ridge": ZoneInfo("Africa/Nairobi")}


def test_a_place_without_a_clock_has_that_of_the_project(desk: Desk) -> None:
    windhoek = ZoneInfo("Africa/Windhoek")
    with Session(desk.engine) as session, session.begin():
        session.add_all([_place("ridge", "", "Africa/Nairobi"), new_deployment("gorge", NOW)])
        session.add(_place("crater", "", "Mars/Olympus"))
    with Session(desk.engine) as session:
        around = read_surroundings(session, [], windhoek)
    assert around.zone_at("ridge") == ZoneInfo("Africa/Nairobi")
    assert {around.zone_at(place) for place in ("gorge", "crater", "never seen", None)} == {
        windhoek
    }
