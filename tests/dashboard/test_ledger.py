from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.conftest import Desk
from edgeclip.contract.receipts import compress
from edgeclip_dashboard.ledger import Gap, Ledger, RowNumbers
from support.dashboards import sample

OUTBOX = ("jetson-1", "epoch")


_UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow])  # of a machine under load


@_UNHURRIED
@given(st.lists(st.integers(1, 60)), st.lists(st.integers(1, 60)))
def test_row_numbers_added_one_by_one_equal_those_compressed_at_once(
    first: list[int], then: list[int]
) -> None:
    rows = RowNumbers(first)
    for seq in then:
        rows.add(seq)
    assert rows.ranges() == compress(first + then)


@_UNHURRIED
@given(st.sets(st.integers(1, 60), min_size=1))
def test_gaps_are_what_is_missing_below_the_highest(seqs: set[int]) -> None:
    missing = {n for first, last in RowNumbers(seqs).gaps() for n in range(first, last + 1)}
    assert missing == set(range(1, max(seqs))) - seqs


def test_a_refused_row_is_no_gap_and_is_not_stored() -> None:
    ledger = Ledger()
    ledger.add(OUTBOX, 1)
    ledger.add(OUTBOX, 2, is_refused=True)
    ledger.add(OUTBOX, 5)
    assert ledger.gaps() == [Gap("jetson-1", "epoch", 3, 4)]
    assert ledger.stored(OUTBOX).ranges() == (1, [(5, 5)])


def test_gaps_are_listed_by_device_and_epoch() -> None:
    ledger = Ledger()
    ledger.add(("b", "e"), 2)
    ledger.add(("a", "e"), 3)
    assert ledger.gaps() == [Gap("a", "e", 1, 2), Gap("b", "e", 1, 1)]


@_UNHURRIED
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9))))
def test_ranges_that_are_added_equal_their_numbers(parts: list[tuple[int, int]]) -> None:
    rows = RowNumbers()
    for first, more in parts:
        rows.add_range(first, first + more)
    numbers = {n for first, more in parts for n in range(first, first + more + 1)}
    assert rows.ranges() == compress(numbers)


def test_a_ledger_learns_what_the_database_holds_and_forgets_nothing(desk: Desk) -> None:
    for seq in (1, 2, 3, 7, 8):
        desk.commit(sample(seq=seq))
    ledger = Ledger()
    [outbox] = [(what.device_id, what.epoch) for what in [sample()]]
    ledger.add(outbox, 5)
    ledger.learn(desk.engine)
    assert ledger.stored(outbox).ranges() == (3, [(5, 5), (7, 8)])
    assert ledger.gaps() == [Gap(*outbox, 4, 4), Gap(*outbox, 6, 6)]
