"""Health, alarms, log entries, clock fixes and replies in the store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.alarms import Alarm
from edgeclip.contract.detection import Clock, Place
from edgeclip.contract.health import Health
from edgeclip_dashboard import wording
from edgeclip_dashboard.messages import InfoMessage, MalformedMessage
from edgeclip_dashboard.messages_field import (
    AlarmMessage,
    ClockFixMessage,
    HealthMessage,
    LogMessage,
    ReplyMessage,
)
from edgeclip_dashboard.models import Base, DetectionRow, Device, Malformed
from edgeclip_dashboard.models_field import (
    ClockFixRow,
    CommandRow,
    Deployment,
    DeviceAlarm,
    HealthSample,
    LogEntry,
)
from support.dashboards import fresh_id, sample
from support.reports_of_a_device import (
    BOOT,
    DEVICE,
    alarm,
    clock_fix,
    health,
    info,
    log_of,
    reply,
)
from support.samples import AT, EPOCH

if TYPE_CHECKING:
    from dashboard.conftest import Desk

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def _rows(desk: Desk, model: type[Base]) -> list[Base]:
    with Session(desk.engine) as session:
        return list(session.scalars(select(model)))


def _told(what: Health) -> HealthMessage:
    return HealthMessage(what, what.to_json())


def _stands(what: Alarm) -> AlarmMessage:
    return AlarmMessage(DEVICE, what.code, what)


def _samples(desk: Desk) -> list[HealthSample]:
    with Session(desk.engine) as session:
        return list(session.scalars(select(HealthSample).order_by(HealthSample.at)))


def _alarms(desk: Desk) -> list[DeviceAlarm]:
    with Session(desk.engine) as session:
        return list(session.scalars(select(DeviceAlarm).order_by(DeviceAlarm.id)))


def _device(desk: Desk) -> Device:
    with Session(desk.engine) as session:
        return session.get_one(Device, DEVICE)


def test_health_becomes_a_sample_and_the_devices_newest(desk: Desk) -> None:
    desk.commit(_told(health()))
    [sampled] = _samples(desk)
    assert (sampled.at, sampled.battery_v, sampled.temperature_c) == (AT, 12.6, 48.5)
    assert (sampled.outbox_rows, sampled.fps, sampled.infer_p95_ms) == (3, 4.8, 11.5)
    device = _device(desk)
    assert device.battery_v == 12.6
    assert Health.model_validate_json(device.health or "") == health()


def test_health_that_the_broker_tells_again_is_one_sample(desk: Desk) -> None:
    desk.commit(_told(health()), _told(health()))
    desk.commit(_told(health()))
    assert len(_samples(desk)) == 1
    assert _device(desk).health_at == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    "at", [pytest.param(None, id="not believed"), pytest.param(NOW.replace(year=2099), id="ahead")]
)
def test_health_without_a_clock_is_of_when_it_came(desk: Desk, at: datetime | None) -> None:
    desk.commit(_told(health(at)))
    assert [sampled.at for sampled in _samples(desk)] == [NOW + timedelta(minutes=1)]


def test_health_of_hours_without_a_link_is_filled_in_and_is_not_the_newest(desk: Desk) -> None:
    late = AT + timedelta(hours=3)
    older = [health(AT), health(AT + timedelta(hours=1)), health(None)]
    desk.commit(_told(health(late)), LogMessage(log_of(health=older)))
    desk.commit(LogMessage(log_of(health=older)))
    hours = [sampled.at.hour - AT.hour for sampled in _samples(desk)]
    assert hours == [0, 1, 3]
    assert Health.model_validate_json(_device(desk).health or "").at == late


def test_an_alarm_stands_until_it_is_over(desk: Desk) -> None:
    desk.commit(_stands(alarm()))
    desk.commit(_stands(alarm(detail="800 MB are free")))
    [standing] = _alarms(desk)
    assert (standing.since, standing.over_at, standing.detail) == (AT, None, "800 MB are free")
    desk.commit(AlarmMessage(DEVICE, "disk_low", None))
    [ended] = _alarms(desk)
    assert ended.over_at == NOW + timedelta(minutes=3)
    desk.commit(AlarmMessage(DEVICE, "disk_low", None))
    assert _alarms(desk)[0].over_at == ended.over_at


def test_an_alarm_that_ended_and_began_again_unheard_is_two(desk: Desk) -> None:
    desk.commit(_stands(alarm()))
    desk.commit(_stands(alarm(since=AT + timedelta(hours=1))))
    first, second = _alarms(desk)
    assert (first.over_at, second.over_at) == (NOW + timedelta(minutes=2), None)


def test_an_alarm_learns_its_beginning_when_the_clock_is_believed(desk: Desk) -> None:
    desk.commit(_stands(alarm(since=None)))
    desk.commit(_stands(alarm()))
    [standing] = _alarms(desk)
    assert standing.since == AT


def test_an_end_of_an_alarm_that_never_was_leaves_nothing(desk: Desk) -> None:
    desk.commit(AlarmMessage(DEVICE, "disk_low", None))
    assert _alarms(desk) == []
    assert _rows(desk, Device) == []


def test_log_entries_are_known_by_their_number(desk: Desk) -> None:
    desk.commit(LogMessage(log_of("disk_low begins", "disk_low is over")))
    desk.commit(LogMessage(log_of("told otherwise", "third", first=2)))
    with Session(desk.engine) as session:
        query = select(LogEntry.text).where(LogEntry.epoch == EPOCH).order_by(LogEntry.number)
        texts = list(session.scalars(query))
    assert texts == ["disk_low begins", "disk_low is over", "third"]


def test_an_info_keeps_all_that_it_says_and_makes_its_deployment(desk: Desk) -> None:
    desk.commit(InfoMessage(info(armed=False)))
    device = _device(desk)
    assert device.is_armed is False
    assert "boar@2.1.0" in (device.info or "")
    with Session(desk.engine) as session:
        assert session.get_one(Deployment, "ridge-2026").name == "ridge-2026"


def test_coordinates_that_a_device_tells_fill_in_what_nobody_has_written(desk: Desk) -> None:
    place = Place(mode="generalised", latitude=46.5, longitude=8.1, uncertainty_m=700)
    desk.commit(sample(seq=1), sample(seq=2, location=place))
    with Session(desk.engine) as session, session.begin():
        row = session.get_one(Deployment, "ridge-2026")
        assert (row.latitude, row.longitude, row.uncertainty_m) == (46.5, 8.1, 700)
        row.latitude = 47.0
    desk.commit(sample(seq=3, location=place))
    with Session(desk.engine) as session:
        assert session.get_one(Deployment, "ridge-2026").latitude == 47.0


def _untrusted(seq: int, boot_ns: int) -> object:
    clock = Clock(trusted=False, source="none")
    told = sample(seq=seq, boot_id=BOOT)
    update = {"clock": clock, "boot_ns": boot_ns, "best_at": AT.replace(year=2001)}
    return told.model_copy(update={"time": told.time.model_copy(update=update)})


def test_a_clock_fix_puts_right_what_came_before_and_after_it(desk: Desk) -> None:
    before, after = _untrusted(1, 4_000_000_000), _untrusted(2, 16_000_000_000)
    trusted = sample(seq=3, boot_id=BOOT)
    desk.commit(before, trusted)  # type: ignore[arg-type]  # detections both
    desk.commit(ClockFixMessage(DEVICE, clock_fix()))
    desk.commit(after)  # type: ignore[arg-type]
    with Session(desk.engine) as session:
        rows = session.execute(
            select(DetectionRow.occurred_at, DetectionRow.clock).order_by(
                DetectionRow.first_received_at, DetectionRow.occurred_at
            )
        ).all()
    right = {(AT - timedelta(seconds=6), "put_right"), (AT + timedelta(seconds=6), "put_right")}
    assert {tuple(row) for row in rows} == right | {(trusted.time.best_at, "trusted")}
    assert len(_rows(desk, ClockFixRow)) == 1
    shown = {(view.occurred_at, wording.clock(view)) for view in desk.picture().detections}
    assert (AT - timedelta(seconds=6), "time put right") in shown
    assert (trusted.time.best_at, "") in shown


def test_a_clock_fix_of_another_device_changes_nothing(desk: Desk) -> None:
    desk.commit(_untrusted(1, 4_000_000_000))  # type: ignore[arg-type]
    desk.commit(ClockFixMessage("jetson-2", clock_fix()))
    [row] = _rows(desk, DetectionRow)
    assert isinstance(row, DetectionRow)
    assert row.clock == "untrusted"
    assert wording.clock(desk.only()) == "clock not trusted"


def test_a_clock_fix_out_of_all_time_leaves_times_as_they_are(desk: Desk) -> None:
    desk.commit(_untrusted(1, 2**62))  # type: ignore[arg-type]
    desk.commit(ClockFixMessage(DEVICE, clock_fix(at_boot_ns=0, true_at=AT.replace(year=9998))))
    [row] = _rows(desk, DetectionRow)
    assert isinstance(row, DetectionRow)
    assert (row.clock, row.occurred_at.year) == ("untrusted", 2001)


def _sent(desk: Desk, device_id: str = DEVICE) -> str:
    command_id = fresh_id()
    row = CommandRow(
        command_id=command_id,
        device_id=device_id,
        name="ping",
        args="{}",
        account_name="ana",
        issued_at=NOW,
        not_after=NOW + timedelta(hours=1),
        dashboard_id="dashboard",
        key_id="0" * 16,
        counter=1,
        state="sent",
        reason="",
        data="{}",
    )
    with Session(desk.engine) as session, session.begin():
        session.add(row)
    return command_id


def _command(desk: Desk, command_id: str) -> CommandRow:
    with Session(desk.engine) as session:
        return session.get_one(CommandRow, command_id)


def test_replies_follow_a_command_to_its_end_and_no_further(desk: Desk) -> None:
    command_id = _sent(desk)
    for state in ("accepted", "done", "accepted"):
        desk.commit(ReplyMessage(reply(command_id, state, data={"uptime_s": 7})))
    row = _command(desk, command_id)
    assert (row.state, row.data) == ("done", '{"uptime_s": 7}')
    assert row.replied_at == NOW + timedelta(minutes=2)


def test_a_reply_of_another_device_is_kept_as_malformed_and_changes_nothing(desk: Desk) -> None:
    command_id = _sent(desk, "jetson-2")
    committed = desk.commit(ReplyMessage(reply(command_id)))
    assert committed.malformed == 1
    assert _command(desk, command_id).state == "sent"
    [kept] = _rows(desk, Malformed)
    assert isinstance(kept, Malformed)
    assert kept.reason == "the command went to another device"


def test_a_reply_to_somebody_elses_command_is_no_fault(desk: Desk) -> None:
    assert desk.commit(ReplyMessage(reply(fresh_id()))).malformed == 0


def test_a_field_message_beside_a_malformed_one_is_stored(desk: Desk) -> None:
    desk.commit(MalformedMessage("x", b"x", "broken"), _told(health()))
    assert len(_samples(desk)) == 1
