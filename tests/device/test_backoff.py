from __future__ import annotations

import pytest

from edgeclip_device.backoff import Backoff, RetryPolicy


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
