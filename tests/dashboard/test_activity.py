from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from dashboard.conftest import NOW
from edgeclip.contract.detection import Detection
from edgeclip_dashboard.activity import REST, Sighting, count, read_activity
from edgeclip_dashboard.deployments import new_deployment
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.verdicts import Said, give_verdict
from support.dashboards import sample

if TYPE_CHECKING:
    from dashboard.conftest import Desk

UTC = timezone.utc
EVERY = DetectionFilter()


def _at(day: int, hour: int) -> datetime:
    return datetime(2026, 5, day, hour, 30, tzinfo=UTC)


def _told(seq: int, at: datetime, **changes: Any) -> Detection:
    told = sample(seq=seq, deployment_id="ridge", **changes)
    return told.model_copy(update={"time": told.time.model_copy(update={"best_at": at})})


def _note_zone(desk: Desk, time_zone: str) -> None:
    with Session(desk.engine) as session, session.begin():
        place = session.get(Deployment, "ridge") or Deployment(
            deployment_id="ridge", name="", camera_model="", setup_by="", habitat="", comments="",
            updated_at=NOW,
        )  # fmt: skip
        place.time_zone = time_zone
        session.add(place)


def test_days_have_no_gap_and_the_most_frequent_comes_first() -> None:
    sightings = [
        Sighting("civet", _at(1, 3)), Sighting("leopard", _at(4, 22)),
        Sighting("leopard", _at(4, 23)),
    ]  # fmt: skip
    counted = count(sightings)
    assert (counted.days, counted.step_days) == (tuple(date(2026, 5, n) for n in (1, 2, 3, 4)), 1)
    leopard, civet = counted.series
    assert (leopard.name, leopard.by_day) == ("leopard", (0, 0, 0, 2))
    assert (leopard.by_hour[22], leopard.by_hour[23], leopard.total) == (1, 1, 2)
    assert (civet.by_day, civet.by_hour[3]) == ((1, 0, 0, 0), 1)
    assert (counted.total, counted.in_utc) == (3, ())


def test_many_days_are_counted_by_weeks_that_begin_on_monday() -> None:
    days = [_at(1, 3) + timedelta(days=n) for n in (0, 2, 3, 200)]
    counted = count([Sighting("civet", at) for at in days])
    assert counted.step_days == 7
    assert counted.days[0] == date(2026, 4, 27)
    [civet] = counted.series
    assert (civet.by_day[:2], civet.by_day[-1], sum(civet.by_day)) == ((2, 1), 1, 4)


def test_what_goes_beyond_eight_is_counted_together() -> None:
    names = [f"s{n}" for n in range(10) for _ in range(20 - n)]
    counted = count([Sighting(name, _at(1, 1)) for name in names])
    assert [series.name for series in counted.series] == [*(f"s{n}" for n in range(7)), REST]
    assert counted.series[-1].total == 13 + 12 + 11
    assert counted.total == len(names)


def test_nothing_counted_has_no_days() -> None:
    counted = count([])
    assert (counted.days, counted.series, counted.total) == ((), (), 0)


def test_hours_are_those_of_the_place(desk: Desk) -> None:
    desk.commit(_told(1, _at(1, 22)))
    _note_zone(desk, "")
    unknown = read_activity(desk.engine, EVERY, "place")
    assert unknown.in_utc == ("ridge",)
    assert unknown.series[0].by_hour[22] == 1
    _note_zone(desk, "Africa/Nairobi")
    local = read_activity(desk.engine, EVERY, "place")
    assert (local.in_utc, local.days) == ((), (date(2026, 5, 2),))
    assert local.series[0].by_hour[1] == 1


def test_hours_of_a_place_without_a_clock_are_those_of_the_project(desk: Desk) -> None:
    desk.commit(_told(1, _at(1, 22)))
    _note_zone(desk, "")
    counted = read_activity(desk.engine, EVERY, "place", ZoneInfo("Africa/Nairobi"))
    assert (counted.in_utc, counted.days) == ((), (date(2026, 5, 2),))
    assert counted.series[0].by_hour[1] == 1


def test_a_place_that_only_a_device_has_named_has_no_time_zone(desk: Desk) -> None:
    with Session(desk.engine) as session, session.begin():
        session.add(new_deployment("ridge", NOW))
    desk.commit(_told(1, _at(1, 22)))
    assert read_activity(desk.engine, EVERY, "species").in_utc == ("ridge",)


@pytest.mark.parametrize(
    ("time_zone", "hour"), [("Asia/Kathmandu", 22), ("Asia/Kolkata", 21), ("Africa/Nairobi", 19)]
)
def test_a_zone_of_half_and_quarter_hours_has_its_own_hours(
    desk: Desk, time_zone: str, hour: int
) -> None:
    at = datetime(2026, 5, 1, 16, 20, tzinfo=UTC)  # 22:05 in Nepal, 21:50 in India
    desk.commit(_told(1, at))
    _note_zone(desk, time_zone)
    [series] = read_activity(desk.engine, EVERY, "species").series
    assert series.by_hour[hour] == series.total == 1


def test_places_in_two_zones_have_each_its_own_hours(desk: Desk) -> None:
    desk.commit(_told(1, _at(1, 22)))
    _note_zone(desk, "Africa/Nairobi")
    desk.commit(_told(2, _at(1, 22)).model_copy(update={"deployment_id": "gorge"}))
    counted = read_activity(desk.engine, EVERY, "place")
    hours = {series.name: series.by_hour.index(1) for series in counted.series}
    assert hours == {"ridge": 1, "gorge": 22}
    assert counted.in_utc == ("gorge",)  # a device made it: nobody has noted its zone
    [leopards] = read_activity(desk.engine, EVERY, "species").series
    assert (leopards.by_hour[1], leopards.by_hour[22], leopards.total) == (1, 1, 2)


def test_a_clock_that_shows_the_end_of_all_calendars_leaves_the_rest_to_be_seen(
    desk: Desk,
) -> None:
    ends = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    desk.commit(*(_told(seq, at) for seq, at in enumerate((*ends, _at(1, 3)), 1)))
    _note_zone(desk, "America/Lima")
    counted = read_activity(desk.engine, EVERY, "species")
    assert counted.total == 3
    assert len(counted.days) <= 601


def test_a_time_zone_that_nobody_knows_counts_as_none(desk: Desk) -> None:
    desk.commit(_told(1, _at(1, 22)))
    _note_zone(desk, "Mars/Olympus")
    assert read_activity(desk.engine, EVERY, "species").in_utc == ("ridge",)


def test_a_persons_word_counts_before_the_devices(desk: Desk) -> None:
    told = [_told(seq, _at(1, seq)) for seq in (1, 2, 3)]
    desk.commit(*told)
    said = (Said("right"), Said("wrong"), Said("other", "civet"))
    with Session(desk.engine) as session, session.begin():
        for one, word in zip(told, said, strict=True):
            give_verdict(session, Identity("anna", "reviewer"), one.detection_id, word, NOW)
    counted = read_activity(desk.engine, EVERY, "species")
    assert {series.name: series.total for series in counted.series} == {"leopard": 1, "civet": 1}


def test_failures_tests_and_what_was_taken_back_do_not_count(desk: Desk) -> None:
    failed = {"class_name": None, "probability": None, "failure": "engine_failed", "votes": None}
    desk.commit(
        _told(1, _at(1, 1), **failed), _told(2, _at(1, 2), phase="retract"),
        _told(3, _at(1, 3), test=True), _told(4, _at(1, 4)),
    )  # fmt: skip
    assert read_activity(desk.engine, EVERY, "species").series[0].by_hour[4] == 1
    assert read_activity(desk.engine, EVERY, "species").total == 1
