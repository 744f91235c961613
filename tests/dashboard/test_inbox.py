from __future__ import annotations

import threading

from edgeclip_dashboard.inbox import Delivery, Inbox


def _delivery(size_bytes: int = 1) -> Delivery:
    return Delivery("topic", b"x" * size_bytes, lambda: None)


def test_deliveries_come_out_in_order_and_at_most_so_many() -> None:
    inbox = Inbox()
    deliveries = [_delivery(size) for size in (1, 2, 3)]
    for delivery in deliveries:
        inbox.put(delivery)
    assert inbox.take(2, wait_s=0) == deliveries[:2]
    assert inbox.take(2, wait_s=0) == deliveries[2:]
    assert inbox.take(2, wait_s=0) == []


def test_what_does_not_fit_by_number_is_refused_and_counted() -> None:
    inbox = Inbox(most_messages=2)
    assert [inbox.put(_delivery()) for _ in range(3)] == [True, True, False]
    assert inbox.dropped == 1


def test_what_does_not_fit_by_bytes_is_refused_until_there_is_room() -> None:
    inbox = Inbox(most_bytes=10)
    assert inbox.put(_delivery(8))
    assert not inbox.put(_delivery(8))
    inbox.take(1, wait_s=0)
    assert inbox.put(_delivery(8))


def test_what_did_not_fit_is_asked_for_once_when_all_is_taken() -> None:
    inbox = Inbox(most_messages=1)
    assert not inbox.ask_again()
    inbox.put(_delivery())
    inbox.put(_delivery())
    assert not inbox.ask_again()
    inbox.take(1, wait_s=0)
    assert [inbox.ask_again(), inbox.ask_again()] == [True, False]


def test_one_delivery_larger_than_the_bound_passes_alone() -> None:
    assert Inbox(most_bytes=10).put(_delivery(20))


def test_a_waiting_taker_is_woken() -> None:
    inbox = Inbox()
    threading.Timer(0.05, inbox.put, [_delivery()]).start()
    assert len(inbox.take(1, wait_s=10)) == 1
