"""Health is kept whole for a week and hourly for a year."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.messages_field import HealthMessage, LogMessage
from edgeclip_dashboard.models_field import HealthSample, LogEntry
from edgeclip_dashboard.thinning import Thinning
from support.reports_of_a_device import health, log_of

if TYPE_CHECKING:
    from dashboard.conftest import Desk

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def _tell(desk: Desk, days_ago: float, device_id: str = "jetson-1") -> None:
    """Store four samples of one hour."""
    begin = (NOW - timedelta(days=days_ago)).replace(minute=0)
    for minute in (0, 15, 30, 45):
        told = health(begin + timedelta(minutes=minute), device_id)
        desk.commit(HealthMessage(told, told.to_json()))


def _ages(desk: Desk) -> Counter[int]:
    day = timedelta(days=1)
    with Session(desk.engine) as session:
        return Counter(round((NOW - at) / day) for at in session.scalars(select(HealthSample.at)))


def test_old_samples_become_hourly_and_very_old_ones_go(desk: Desk) -> None:
    for days in (1, 6, 8, 30, 401):
        _tell(desk, days)
    _tell(desk, 30, "jetson-2")
    thinning = Thinning(desk.engine, lambda: NOW)
    thinning.thin()
    assert _ages(desk) == {1: 4, 6: 4, 8: 1, 30: 2}
    thinning.thin()
    assert _ages(desk) == {1: 4, 6: 4, 8: 1, 30: 2}


def test_what_has_become_old_since_is_thinned_next_time(desk: Desk) -> None:
    _tell(desk, 8)
    _tell(desk, 1)
    Thinning(desk.engine, lambda: NOW).thin()
    Thinning(desk.engine, lambda: NOW + timedelta(days=9)).thin()
    assert _ages(desk) == {1: 1, 8: 1}


def test_log_entries_go_after_as_long(desk: Desk) -> None:
    desk.commit(LogMessage(log_of("begins")))
    Thinning(desk.engine, lambda: NOW + timedelta(days=399)).thin()
    with Session(desk.engine) as session:
        assert session.scalars(select(LogEntry.text)).all() == ["begins"]
    Thinning(desk.engine, lambda: NOW + timedelta(days=401)).thin()
    with Session(desk.engine) as session:
        assert session.scalars(select(LogEntry.text)).all() == []


def test_an_empty_store_is_left_alone(desk: Desk) -> None:
    Thinning(desk.engine, lambda: NOW).thin()
    assert _ages(desk) == {}
