"""The page `/export` in a real Chromium, and what its button leads to, behind the guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip_dashboard.database import database_url
from edgeclip_dashboard.field.places_table import import_places
from support.brokers import Broker
from support.browsers import Browser, chromium
from support.dashboards import Dashboard, eventually, field_device, running_dashboard
from support.sign_ins import Visit

pytestmark = [pytest.mark.broker, pytest.mark.browser]

KEPT = Path(__file__).parents[2] / "test-output"


@pytest.fixture
def dashboard(tmp_path: Path, broker: Broker) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path, broker.url) as running:
        running.wait_online()
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium(KEPT) as running:
        yield running


def test_what_is_chosen_is_what_is_downloaded(
    dashboard: Dashboard, broker: Broker, browser: Browser
) -> None:
    with field_device(broker.url) as device:
        device.send(device.sample(seq=1))
        eventually(dashboard.detections, what="the detection is stored")
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/export", width=390, height=844)
    eventually(lambda: "needs coordinates" in browser.text("main"), what="the place is asked for")
    assert "To be written: 1 detection" in browser.text("main")
    assert "1 detection of 1 place without coordinates (ridge-2026)" in browser.text(".problem")
    browser.keep("export-phone")
    assert browser.console() == []
    name, _, value = dashboard.cookie.partition("=")
    admin = Visit(dashboard.url, {name: value})
    assert admin.get("/api/v1/export/camtrap-dp").status == 409
    left_out = admin.get("/api/v1/export/camtrap-dp?leave_out_unplaced=true")
    assert left_out.status == 200
    assert "leopard" in admin.get("/api/v1/export/csv").body
    assert admin.get("/metrics").status == 200
    stranger = Visit(dashboard.url)
    for path in ("/api/v1/detections", "/api/openapi.json", "/api/v1/export/csv", "/metrics"):
        assert stranger.get(path).status == 401


def test_places_without_coordinates_are_left_out_by_a_choice_that_says_how_much(
    dashboard: Dashboard, broker: Broker, browser: Browser, tmp_path: Path
) -> None:
    with field_device(broker.url) as device:
        for seq, place in enumerate(("ridge-2026", "ridge-2026", "swamp-2026"), 1):
            device.send(device.sample(seq=seq, deployment_id=place))
        eventually(lambda: len(dashboard.detections()) == 3, what="all are stored")
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/export", width=360, height=800)
    eventually(lambda: "(ridge-2026, swamp" in browser.text(".problem"), what="both are named")
    _leave_out(browser)
    eventually(lambda: "Nothing is left to write: all" in browser.text("main"), what="it is said")
    table = tmp_path / "places.csv"
    table.write_text("deployment_id,latitude,longitude\nridge-2026,-3.1,36.5\n")
    database = database_url(str(dashboard.folder / "detections.sqlite"))
    assert import_places(table, database, "demo") == (1, 0, ())
    browser.open(f"{dashboard.url}/export", width=360, height=800)
    eventually(lambda: "(swamp-2026)" in browser.text(".problem"), what="the place is named")
    assert not browser.value("document.querySelector('#download').offsetParent")
    _leave_out(browser)
    told = "1 detection of 1 place without coordinates is left out (swamp-2026)"
    eventually(lambda: told in browser.text(".notice"), what="it is told what is left out")
    assert "To be written: 2 detections" in browser.text("main")
    assert "leave_out_unplaced=true" in browser.value("document.querySelector('#download').href")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("export-left-out-phone")
    assert browser.console() == []


def _leave_out(browser: Browser) -> None:
    [choice] = [box for box in browser.elements(".q-checkbox") if "without coordinates" in box.text]
    choice.send_keys(" ")
