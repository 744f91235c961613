"""Receipts are unsigned: whatever one holds, the uplink goes on and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeclip.contract.receipts import MOST_RANGES
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import boot_id
from edgeclip_device.config import OutboxSettings
from edgeclip_device.drain import Drain
from edgeclip_device.outbox import Outbox
from support.clocks import StandingClock
from support.samples import detection
from support.wires import Wire, drain_of

CLOCK = StandingClock()
TOO_LARGE = 2**63
NUMBERS = st.sampled_from([-(2**63) - 1, -1, 0, 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**40])
ROWS = NUMBERS | st.integers() | st.floats() | st.none() | st.text(max_size=3)
RECEIPTS = st.fixed_dictionaries(
    {"received_upto": ROWS},
    optional={
        "ranges": st.lists(st.tuples(ROWS, ROWS), max_size=3),
        "refused": st.lists(
            st.fixed_dictionaries({"seq": ROWS, "reason": st.text(max_size=5)}), max_size=3
        ),
        "media": st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2),
    },
)


@pytest.fixture
def backlog(tmp_path: Path) -> Iterator[Backlog]:
    """An outbox with one detection, opened to work it off."""
    with closing(Outbox(tmp_path, OutboxSettings(), CLOCK)) as outbox:
        outbox.emit(detection())
        with closing(Backlog(tmp_path)) as opened:
            yield opened


@pytest.fixture
def drain(backlog: Backlog) -> Drain:
    """Its drain."""
    return drain_of(backlog)


def _receipt(backlog: Backlog, **fields: Any) -> bytes:
    known = {"schema": "edgeclip.receipt/1", "dashboard_id": "d", "epoch": backlog.epoch}
    return json.dumps({**known, "received_upto": 0, **fields}).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"received_upto": TOO_LARGE},
        {"ranges": [[1, TOO_LARGE]]},
        {"refused": [{"seq": TOO_LARGE, "reason": "no"}]},
        {"ranges": [[n, n] for n in range(2, MOST_RANGES + 3)]},
    ],
)
def test_a_number_that_no_row_can_have_makes_a_receipt_unreadable(
    backlog: Backlog, drain: Drain, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    drain.on_receipt(_receipt(backlog, **fields))
    assert "cannot be read" in caplog.text
    assert backlog.waiting() == (1, 0)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fields=RECEIPTS)
def test_no_receipt_ends_the_uplink_or_takes_what_was_never_sent(
    backlog: Backlog, drain: Drain, fields: dict[str, Any]
) -> None:
    drain.on_receipt(_receipt(backlog, **fields))
    assert backlog.waiting() == (1, 0)


def test_a_receipt_of_all_numbers_there_are_takes_what_was_sent(
    backlog: Backlog, drain: Drain
) -> None:
    drain.fill(Wire(), CLOCK.boot_ns(), boot_id())
    drain.on_receipt(_receipt(backlog, ranges=[[1, TOO_LARGE - 1]]))
    assert backlog.waiting() == (0, 0)
