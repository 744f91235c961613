"""The activity page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, eventually, field_device, running_dashboard
from support.samples import AT

pytestmark = [pytest.mark.broker, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)>"
SENT = ("leopard", "bush_pig", "leopard", HOSTILE, "leopard")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    with running_dashboard(folder, broker.url) as running, field_device(broker.url) as device:
        running.wait_online()
        for seq, name in enumerate(SENT, 1):
            told = device.sample(seq=seq, class_name=name, deployment_id=f"ridge-{seq % 2}")
            at = AT + timedelta(hours=7 * seq)
            device.send(
                told.model_copy(update={"time": told.time.model_copy(update={"best_at": at})})
            )
        eventually(lambda: len(running.detections()) == len(SENT), what="all is there")
        yield running


def _open(browser: Browser, dashboard: Dashboard, query: str = "", width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/activity{query}", width=width)
    eventually(lambda: browser.elements("figure canvas"), what="it is drawn")


def _said(browser: Browser) -> list[str]:
    """Return what each chart tells those who hear the page."""
    said: list[str] = browser.value(
        "[...document.querySelectorAll('figure')].map(e => e.getAttribute('aria-label'))"
    )
    return said


def test_charts_are_drawn_without_another_server_and_told_in_words(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard)
    assert "5 detections from 2026-05-01 on" in browser.text(".summary")
    said = _said(browser)
    assert said[0] == "By day: most on 2026-05-01, 3 detections"
    assert said[2].startswith("In all: leopard 3, ")
    browser.click(".numbers summary")
    assert browser.texts(".numbers tbody tr:last-child td")[:2] == ["all", "3"]
    browser.keep("activity")
    assert browser.console() == []
    assert [
        url for url in browser.requested() if not url.startswith(("http://127.0.0.1:", "data:"))
    ] == []


def test_it_is_counted_by_place_and_under_an_address_of_its_own(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard)
    browser.click(".tools button", "by place")
    eventually(
        lambda: _said(browser)[-1:] == ["In all: ridge-1 3, ridge-0 2"],
        what="it is counted by place",
    )
    assert browser.value("location.search") == "?by=place"
    _open(browser, dashboard, "?class_names=bush_pig&by=place")
    assert "1 detection from" in browser.text(".summary")


def test_a_name_from_a_device_is_no_markup_in_a_chart(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard)
    canvas = browser.elements("figure.hours canvas")[0]
    browser.hover(canvas)
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0
    assert browser.console() == []


def test_it_fits_a_phone(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, width=360)
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("activity-phone")
