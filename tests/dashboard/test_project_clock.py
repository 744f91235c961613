"""The days of a filter, and what is of no place, by the clock of the project."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.pages.filter_bar import days_of, describe
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, FieldDevice, eventually, running_dashboard

NAIROBI = ZoneInfo("Africa/Nairobi")
SANTIAGO = ZoneInfo("America/Santiago")  # whose clocks change
FIRST_OF_MAY = DetectionFilter(
    since=datetime(2026, 4, 30, 21, tzinfo=timezone.utc),
    until=datetime(2026, 5, 1, 21, tzinfo=timezone.utc),
)


def test_the_days_of_a_filter_are_those_of_the_project() -> None:
    assert days_of(FIRST_OF_MAY, NAIROBI) == (date(2026, 5, 1), date(2026, 5, 1))
    assert describe(FIRST_OF_MAY, NAIROBI) == "from 2026-05-01 · to 2026-05-01"
    assert days_of(FIRST_OF_MAY, timezone.utc) == (date(2026, 4, 30), date(2026, 5, 1))


def test_a_day_is_whole_where_clocks_change() -> None:
    day = date(2026, 9, 6)  # 23 hours there
    shown = DetectionFilter(
        since=datetime(2026, 9, 6, tzinfo=SANTIAGO), until=datetime(2026, 9, 7, tzinfo=SANTIAGO)
    )
    assert days_of(shown, SANTIAGO) == (day, day)


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, device: FieldDevice
) -> Iterator[Dashboard]:
    """One of a project in Kenya that holds a detection of half past midnight there."""
    folder: Path = tmp_path_factory.mktemp("dashboard")
    settings = folder / "dashboard.toml"
    settings.write_text('[page]\ntime_zone = "Africa/Nairobi"\n')
    with running_dashboard(folder, broker.url, "--config", str(settings)) as running:
        running.wait_online()
        told = device.sample(seq=1)
        at = datetime(2026, 4, 30, 21, 30, tzinfo=timezone.utc)
        times = {"best_at": at, "started_at": at, "ended_at": at + timedelta(seconds=9)}
        device.send(told.model_copy(update={"time": told.time.model_copy(update=times)}))
        eventually(lambda: len(running.detections()) == 1, what="it is there")
        yield running


@pytest.mark.broker
@pytest.mark.browser
def test_a_day_of_the_filter_begins_at_the_projects_midnight(
    browser: Browser, dashboard: Dashboard
) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/")
    eventually(lambda: browser.texts(".species") == ["leopard"], what="it is shown")
    eventually(lambda: browser.value("window.socket?.connected"), what="it is connected")
    browser.click(".filter summary")
    first, last = browser.elements(".filter input[type=date]")
    assert "From, Africa/Nairobi" in browser.text(".filter")
    last.send_keys("04302026")
    eventually(lambda: browser.texts(".species") == [], what="it was not on the day before")
    first.send_keys("05012026")
    last.send_keys("05012026")
    eventually(lambda: browser.texts(".species") == ["leopard"], what="it was on the first of May")
    assert "EAT" in browser.text(".device-list")
    assert "2026-05-01T00%3A00%3A00%2B03%3A00" in str(browser.value("location.search"))
    browser.keep("project-clock")
    assert browser.console() == []


@pytest.mark.broker
@pytest.mark.browser
def test_what_is_of_no_place_has_the_projects_time(browser: Browser, dashboard: Dashboard) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/deeds")
    assert "EAT" in browser.text(".deeds")
    browser.open(f"{dashboard.url}/activity")
    eventually(lambda: "by the clock of each place" in browser.text(".summary"), what="counted")
    browser.open(f"{dashboard.url}/rules")
    eventually(lambda: browser.value("window.socket?.connected"), what="it is connected")
    browser.click("button.primary")
    zones = "[...document.querySelectorAll('input')].map(one => one.value)"
    eventually(lambda: "Africa/Nairobi" in (browser.value(zones) or []), what="the form offers it")
