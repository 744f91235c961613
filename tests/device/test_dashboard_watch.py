from __future__ import annotations

import pytest

from edgeclip.contract.reports import Status
from edgeclip_device.dashboard_watch import DashboardWatch


def _online(bdseq: int) -> bytes:
    return Status(state="online", since=None, bdseq=bdseq).to_json()


def test_a_dashboard_is_back_with_a_new_number_and_not_when_it_is_first_seen() -> None:
    watch = DashboardWatch()
    assert not watch.is_back(_online(1))
    assert not watch.is_back(_online(1))
    assert watch.is_back(_online(2))


def test_a_dashboard_that_goes_is_not_back() -> None:
    watch = DashboardWatch()
    watch.is_back(_online(1))
    assert not watch.is_back(Status(state="offline", since=None, bdseq=2).to_json())


def _state(state: str, bdseq: int) -> bytes:
    return Status.model_validate({"state": state, "since": None, "bdseq": bdseq}).to_json()


@pytest.mark.parametrize("state", ["offline", "stopped"])
def test_a_dashboard_that_says_so_is_away_until_it_is_back(state: str) -> None:
    watch = DashboardWatch()
    assert not watch.is_away, "nothing is known of it"
    watch.is_back(_state(state, 1))
    said = [watch.is_away, watch.is_back(_online(1)), watch.is_away]
    assert said == [True, True, False], "what waited is due when it comes back"


def test_who_gives_receipts_is_there_whatever_the_broker_has_kept() -> None:
    watch = DashboardWatch()
    watch.is_back(_state("offline", 1))
    watch.gave_receipt()
    assert not watch.is_away


def test_a_status_that_cannot_be_read_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert not DashboardWatch().is_back(b"{")
    assert "cannot be read" in caplog.text
