from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import BUDGET, OVERHEAD_BYTES, Budget
from edgeclip_device.uplink_settings import UplinkSettings
from support.clocks import NOON, StandingClock

DAY_S = 86_400.0
KILO = 1000 - OVERHEAD_BYTES  # so that each message counts for 1000 bytes


@pytest.fixture
def backlog(tmp_path: Path) -> Iterator[Backlog]:
    with closing(Backlog(tmp_path)) as opened:
        yield opened


def _budget(backlog: Backlog, clock: StandingClock, boot: str = "first", **keys: Any) -> Budget:
    return Budget(UplinkSettings(**{"daily_mb": 0.01, **keys}), backlog, clock, boot)


def _sent(budget: Budget, *, is_alert: bool) -> int:
    count = 0
    while count < 100 and budget.admit(KILO, is_alert=is_alert):
        count += 1
    return count


def test_the_last_quarter_is_for_alerts(backlog: Backlog) -> None:
    budget = _budget(backlog, StandingClock())
    assert _sent(budget, is_alert=False) == 7
    assert budget.holds_back
    assert _sent(budget, is_alert=True) == 3


def test_without_a_limit_everything_goes_and_is_counted(backlog: Backlog) -> None:
    budget = _budget(backlog, StandingClock(), daily_mb=None)
    assert _sent(budget, is_alert=False) == 100
    assert budget.sent_bytes == 100_000


def test_what_must_go_goes_and_counts(backlog: Backlog) -> None:
    budget = _budget(backlog, StandingClock())
    for _ in range(20):
        budget.spend(KILO)
    assert budget.sent_bytes == 20_000
    assert not budget.admit(0, is_alert=True)


def test_after_24_hours_a_new_day_begins(backlog: Backlog) -> None:
    clock = StandingClock()
    budget = _budget(backlog, clock)
    _sent(budget, is_alert=True)
    clock.boot_s += DAY_S - 1
    assert not budget.admit(KILO, is_alert=True)
    clock.boot_s += 1
    assert budget.admit(KILO, is_alert=True)
    assert not budget.holds_back


def test_a_restart_of_the_process_gives_no_new_day(backlog: Backlog) -> None:
    clock = StandingClock()
    first = _budget(backlog, clock)
    _sent(first, is_alert=True)
    first.save()
    assert not _budget(backlog, clock).admit(KILO, is_alert=True)


def test_after_a_reboot_the_wall_clock_tells_how_long_it_was(backlog: Backlog) -> None:
    first = _budget(backlog, StandingClock())
    _sent(first, is_alert=True)
    first.save()
    early = StandingClock(at=NOON + timedelta(hours=23), boot_s=5.0)
    assert not _budget(backlog, early, "second").admit(KILO, is_alert=True)
    late = StandingClock(at=NOON + timedelta(hours=25), boot_s=5.0)
    assert _budget(backlog, late, "second").admit(KILO, is_alert=True)


def test_a_reboot_into_a_wrong_clock_gives_no_new_day(backlog: Backlog) -> None:
    first = _budget(backlog, StandingClock())
    _sent(first, is_alert=True)
    first.save()
    lost = StandingClock(at=NOON.replace(year=1970), boot_s=5.0)
    assert not _budget(backlog, lost, "second").admit(KILO, is_alert=True)


def test_a_count_that_cannot_be_read_begins_anew(backlog: Backlog) -> None:
    backlog.note(BUDGET, "{}")
    assert _budget(backlog, StandingClock()).admit(KILO, is_alert=False)
