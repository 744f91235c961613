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


def test_a_status_that_cannot_be_read_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert not DashboardWatch().is_back(b"{")
    assert "cannot be read" in caplog.text
