from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edgeclip_dashboard.notices.hours import is_within, next_time


def _utc(hour: int, minute: int = 0, day: int = 1) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("at", "begin", "end", "expected"),
    [
        pytest.param(_utc(12), "08:00", "18:00", True, id="inside"),
        pytest.param(_utc(18), "08:00", "18:00", False, id="the end is excluded"),
        pytest.param(_utc(8), "08:00", "18:00", True, id="the beginning is included"),
        pytest.param(_utc(23), "22:00", "06:00", True, id="before midnight"),
        pytest.param(_utc(5, 59), "22:00", "06:00", True, id="after midnight"),
        pytest.param(_utc(12), "22:00", "06:00", False, id="by day"),
    ],
)
def test_a_window_holds_its_hours(at: datetime, begin: str, end: str, expected: bool) -> None:
    assert is_within(at, begin, end, "UTC") is expected


def test_a_window_is_in_its_own_time_zone() -> None:
    assert is_within(_utc(20), "22:00", "06:00", "Africa/Nairobi")
    assert not is_within(_utc(20), "22:00", "06:00", "UTC")


def test_the_next_time_of_an_hour_is_today_or_tomorrow() -> None:
    assert next_time(_utc(3), "06:00", "UTC") == _utc(6)
    assert next_time(_utc(6), "06:00", "UTC") == _utc(6, day=2)
    assert next_time(_utc(23), "06:00", "Africa/Nairobi") == _utc(3, day=2)


def test_an_hour_after_the_clocks_were_put_forward_comes_an_hour_sooner() -> None:
    evening = datetime(2026, 3, 28, 22, tzinfo=timezone.utc)
    assert next_time(evening, "06:00", "Europe/Berlin") == datetime(
        2026, 3, 29, 4, tzinfo=timezone.utc
    )
