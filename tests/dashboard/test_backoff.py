from __future__ import annotations

from edgeclip_dashboard.backoff import Backoff, Twins


def test_the_bound_doubles_up_to_the_longest() -> None:
    backoff = Backoff(10.0, draw=lambda: 1.0)
    assert [backoff.next_wait_s(0) for _ in range(5)] == [1, 2, 4, 8, 10]


def test_the_wait_is_drawn_from_the_whole_range() -> None:
    assert Backoff(10.0, draw=lambda: 0.0).next_wait_s(0) == 0


def test_a_connection_that_lasted_starts_anew_and_a_short_one_does_not() -> None:
    backoff = Backoff(100.0, draw=lambda: 1.0)
    backoff.next_wait_s(0)
    assert backoff.next_wait_s(29) == 2
    assert backoff.next_wait_s(31) == 1


def test_ten_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(60.0, draw=lambda: 1.0)
    assert max(backoff.next_wait_s(0) for _ in range(10_000)) == 60


def test_a_twin_is_suspected_when_connections_come_up_and_end_at_once() -> None:
    twins = Twins()
    assert [twins.are_likely(5, was_up=True) for _ in range(4)] == [False, False, True, True]
    assert not twins.are_likely(31, was_up=True)
    assert not any(twins.are_likely(5, was_up=False) for _ in range(5))
