from __future__ import annotations

from edgeclip.contract.receipts import MOST_RANGES
from edgeclip_dashboard.ledger import RowNumbers
from edgeclip_dashboard.receipts import ReceiptBook
from support.samples import EPOCH

OUTBOX = ("jetson-1", EPOCH)


def test_a_receipt_says_what_is_stored_refused_and_kept() -> None:
    book = ReceiptBook("dashboard")
    book.stored(OUTBOX, 4)
    book.refused(OUTBOX, 5, "broken")
    book.media(OUTBOX, "a" * 64)
    [receipt] = book.take(OUTBOX, RowNumbers([1, 2, 4]))
    assert (receipt.received_upto, receipt.ranges) == (2, [(4, 4)])
    assert [(refusal.seq, refusal.reason) for refusal in receipt.refused] == [(5, "broken")]
    assert receipt.media == ["a" * 64]
    assert not receipt.covers(5)


def test_a_book_that_was_taken_is_empty() -> None:
    book = ReceiptBook("dashboard")
    book.stored(OUTBOX, 1)
    book.take(OUTBOX, RowNumbers([1]))
    assert not book
    assert book.outboxes() == []


def test_more_than_fits_one_receipt_goes_in_several() -> None:
    book = ReceiptBook("dashboard")
    for seq in range(1, MOST_RANGES + 11):
        book.refused(OUTBOX, seq, "broken")
    receipts = book.take(OUTBOX, RowNumbers())
    assert [len(receipt.refused) for receipt in receipts] == [MOST_RANGES, 10]


def test_of_too_many_ranges_those_that_changed_are_named() -> None:
    every_other = RowNumbers(range(2, 4 * MOST_RANGES, 2))
    book = ReceiptBook("dashboard")
    book.stored(OUTBOX, 3 * MOST_RANGES)
    [receipt] = book.take(OUTBOX, every_other)
    assert receipt.ranges == [(3 * MOST_RANGES, 3 * MOST_RANGES)]
