from __future__ import annotations

import pytest

from edgeclip_device.backoff import Backoff, LinkTiming, RetryPolicy


def test_waits_double_up_to_the_limit() -> None:
    backoff = Backoff(5.0, draw=lambda: 1.0)
    assert [backoff.next_wait_s() for _ in range(5)] == [1, 2, 4, 5, 5]


def test_each_wait_is_drawn_anew_so_that_fleets_spread_out() -> None:
    backoff = Backoff(300.0)
    waits = {round(backoff.next_wait_s(), 6) for _ in range(20)}
    assert len(waits) > 10
    assert min(waits) >= 0.1
    assert max(waits) <= 300


def test_half_a_minute_of_connection_forgets_the_failures() -> None:
    backoff = Backoff(300.0, draw=lambda: 1.0)
    for _ in range(5):
        backoff.next_wait_s(lived_s=29.0)
    assert backoff.next_wait_s(lived_s=30.0) == 1.0


@pytest.mark.parametrize("code", [0x86, 0x87, 0x8A])
def test_a_refused_login_waits_a_quarter_of_an_hour(code: int) -> None:
    assert RetryPolicy(60.0).wait_s(code, 0.0) == 900


def test_two_devices_with_one_id_stop_throwing_out_each_other() -> None:
    policy = RetryPolicy(60.0)
    assert policy.wait_s(0x8E, 0.0) <= 1
    assert policy.wait_s(0x8E, 0.0) == 600


def test_connections_that_end_at_once_look_like_a_twin_and_failed_ones_do_not() -> None:
    failing, ending = RetryPolicy(60.0), RetryPolicy(60.0)
    for _ in range(4):
        failing.wait_s(None, 0.0)
        ending.wait_s(None, 0.5)
    assert ending.looks_like_a_twin
    assert not failing.looks_like_a_twin


def test_a_failed_network_backs_off() -> None:
    assert RetryPolicy(60.0).wait_s(None, 0.0) <= 1


class _Field:
    """A policy with drawn waits of the middle, and a clock that goes by what it waits."""

    def __init__(self, most_s: float = 300.0) -> None:
        self.now = 0.0
        self.policy = RetryPolicy(most_s, monotonic=lambda: self.now, draw=lambda: 0.5)

    def fail(self, count: int = 1, code: int | None = None) -> list[float]:
        """Fail so often, waiting what was said each time; return the waits."""
        waits = []
        for _ in range(count):
            waits.append(self.policy.wait_s(code, 0.0))
            self.now += waits[-1]
        return waits


def test_a_network_that_stays_away_is_tried_once_an_hour_and_after_a_day_every_six() -> None:
    field = _Field()
    waits = field.fail(60)
    assert waits[:9] == [0.5, 1, 2, 4, 8, 16, 32, 64, 128]
    assert waits[9:14] == [150] * 5
    first_hour = waits.index(3600)
    assert sum(waits[:first_hour]) >= 900
    first_six = waits.index(21_600)
    assert set(waits[first_hour:first_six]) == {3600}
    assert 86_400 <= sum(waits[:first_six]) < 86_400 + 3600
    assert set(waits[first_six:]) == {21_600}
    assert field.policy.was_away_long


def test_a_broker_that_restarts_is_no_reason_for_rare_tries() -> None:
    field = _Field(most_s=1.0)
    assert max(field.fail(30)) <= 1
    assert not field.policy.tries_are_rare


def test_a_connection_that_stands_forgets_the_days_without() -> None:
    field = _Field()
    field.fail(60)
    field.policy.connection_is_stable()
    assert not field.policy.tries_are_rare
    assert field.fail() == [0.5]


def test_being_thrown_out_twice_in_a_day_is_no_twin() -> None:
    field = _Field()
    assert field.fail(1, 0x8E) == [0.5]
    field.now += LinkTiming().twin_s + 1
    assert field.fail(1, 0x8E)[0] < 600
    assert not field.policy.looks_like_a_twin
