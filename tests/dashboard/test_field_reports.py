"""What the pages of the field read, and how they say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy.orm import Session

from edgeclip.contract.alarms import AlarmCode
from edgeclip.contract.reports import Status
from edgeclip_dashboard.field import words
from edgeclip_dashboard.field.advice import ADVICE, advice
from edgeclip_dashboard.field.history import MOST_POINTS, QUANTITIES, Series, read_history
from edgeclip_dashboard.field.reports import (
    DeviceReport,
    Past,
    read_past,
    read_report,
    read_reports,
)
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import InfoMessage, StatusMessage
from edgeclip_dashboard.messages_field import AlarmMessage, HealthMessage, LogMessage
from edgeclip_dashboard.models import Device
from edgeclip_dashboard.models_field import Deployment
from support.dashboards import sample
from support.reports_of_a_device import DEVICE, alarm, health, info, log_of
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def _status(state: str, **changes: object) -> StatusMessage:
    document = {"state": state, "since": AT, "bdseq": 1} | changes
    return StatusMessage(DEVICE, Status.model_validate(document))


def _report(desk: Desk, device_id: str = DEVICE) -> DeviceReport:
    with Session(desk.engine) as session:
        found = read_report(session, Ledger.from_database(desk.engine), device_id)
    assert found is not None
    return found


def _past(desk: Desk) -> Past:
    with Session(desk.engine) as session:
        return read_past(session, DEVICE)


def _history(desk: Desk, since: datetime = AT) -> tuple[Series, ...]:
    with Session(desk.engine) as session:
        return read_history(session, DEVICE, since)


def _told(at: datetime, **changes: Any) -> HealthMessage:
    told = health(at, **changes)
    return HealthMessage(told, told.to_json())


def test_a_device_is_read_with_all_that_it_has_told(desk: Desk) -> None:
    desk.commit(_status("online"), InfoMessage(info()), _told(AT), sample(seq=1), sample(seq=5))
    desk.commit(AlarmMessage(DEVICE, "disk_low", alarm()))
    with Session(desk.engine) as session, session.begin():
        session.get_one(Deployment, "ridge-2026").name = "The ridge"
    report = _report(desk)
    assert (report.state, report.place, report.is_armed) == ("online", "The ridge", True)
    assert report.info == info()
    assert report.health == health()
    assert [(one.code, one.began_at) for one in report.alarms] == [("disk_low", AT)]
    assert [(gap.first, gap.last) for gap in report.gaps] == [(2, 4)]


def test_a_device_of_no_message_is_none(desk: Desk) -> None:
    with Session(desk.engine) as session:
        assert read_report(session, Ledger.from_database(desk.engine), "nobody") is None


def test_devices_that_need_a_look_come_first(desk: Desk) -> None:
    fine = StatusMessage("a-fine", _status("online").status)
    gone = StatusMessage("b-gone", _status("offline").status)
    desk.commit(fine, gone, AlarmMessage("c-alarmed", "overtemp", alarm("overtemp")))
    with Session(desk.engine) as session:
        reports = read_reports(session, Ledger.from_database(desk.engine))
    assert [report.device_id for report in reports] == ["b-gone", "c-alarmed", "a-fine"]


def test_what_an_update_can_no_longer_read_is_unknown(desk: Desk) -> None:
    desk.commit(_told(AT))
    with Session(desk.engine) as session, session.begin():
        session.get_one(Device, DEVICE).health = '{"schema": "edgeclip.health/0"}'
    assert _report(desk).health is None


def test_the_past_has_ended_alarms_and_the_log_newest_first(desk: Desk) -> None:
    desk.commit(AlarmMessage(DEVICE, "disk_low", alarm()), LogMessage(log_of("one", "two")))
    desk.commit(AlarmMessage(DEVICE, "disk_low", None))
    past = _past(desk)
    assert [(one.code, one.over_at is not None) for one in past.ended] == [("disk_low", True)]
    assert [entry.text for entry in past.entries] == ["two", "one"]


def test_history_has_what_is_known_oldest_first(desk: Desk) -> None:
    hours = [AT + timedelta(hours=hour) for hour in range(3)]
    for hour, at in enumerate(reversed(hours)):
        desk.commit(_told(at, power={"battery_v": 12.0 + hour}, storage={"free_mb": 2500.0}))
    series = {one.quantity.column: one for one in _history(desk)}
    assert "power_w" not in series
    assert series["battery_v"].points == tuple(zip(hours, (14.0, 13.0, 12.0), strict=True))
    assert [value for _, value in series["free_mb"].points] == [2.5] * 3
    assert _history(desk, AT + timedelta(days=1)) == ()


def test_long_histories_are_thinned_and_keep_the_newest(desk: Desk) -> None:
    count = MOST_POINTS + 50
    hours = [health(AT + timedelta(minutes=minute)) for minute in range(count)]
    for first in range(0, count, 24):
        desk.commit(LogMessage(log_of(health=hours[first : first + 24])))
    points = _history(desk)[0].points
    assert len(points) <= MOST_POINTS
    assert points[-1][0] == AT + timedelta(minutes=count - 1)


def test_every_quantity_is_a_column_of_a_sample(desk: Desk) -> None:
    desk.commit(_told(AT))
    assert [one.quantity for one in _history(desk)] == list(QUANTITIES)


def test_every_alarm_has_something_to_do() -> None:
    assert set(ADVICE) == set(get_args(AlarmCode))
    assert all(text.endswith(".") for text in ADVICE.values())
    assert advice("of_a_later_version") == ""


def test_a_state_is_told_with_its_reason_and_waking(desk: Desk) -> None:
    wakes = AT + timedelta(hours=8)
    desk.commit(_status("sleeping", next_wake_at=wakes, reason="night"))
    report = _report(desk)
    assert words.state(report, AT + timedelta(hours=1)) == (
        "sleeping since 2026-05-01 02:03:04 UTC (1 h ago), wakes 2026-05-01 10:03:04 UTC: night"
    )
    triggered = replace(report, next_wake_at=None, reason=None)
    assert words.state(triggered, NOW).endswith("wakes when it is triggered")
    assert words.short_state(report, AT + timedelta(hours=1)) == "sleeping, 1 h ago"
    assert words.state(replace(report, state=None), NOW) == "no status yet"


def test_figures_have_their_units_and_unknown_ones_are_not_told() -> None:
    assert words.number(51200.4, "MB") == "51 200 MB"
    assert words.number(12.64, "V", 1) == "12.6 V"
    assert words.number(None, "V") == ""
    assert words.duration(2 * 86_400 + 3 * 3600 + 59) == "2 d 3 h"
    assert words.duration(42) == "42 s"
    assert words.duration(None) == ""


def test_what_runs_and_how_it_does_is_told_in_words(desk: Desk) -> None:
    desk.commit(InfoMessage(info(degraded_precision="no engine of this board")), _told(AT))
    runs = dict(words.runs(_report(desk)))
    assert runs["runs"] == "onnxruntime fp32, rung 4 of 4"
    assert runs["below the best"] == "no engine of this board"
    assert dict(words.condition(health()))["clock"] == "by ntp"
    assert dict(words.condition(health(None)))["clock"] == "not to be trusted"
    work = dict(words.work(health()))
    assert (work["frames"], work["outbox"]) == ("4.8 fps of 5.0", "3 rows wait")
    assert "dropped" not in work
