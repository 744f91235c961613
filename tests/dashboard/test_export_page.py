"""The page `/export` in a real Chromium, and what its button leads to, behind the guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    browser.keep("export-phone")
    assert browser.console() == []
    name, _, value = dashboard.cookie.partition("=")
    admin = Visit(dashboard.url, {name: value})
    assert admin.get("/api/v1/export/camtrap-dp").status == 409
    assert "leopard" in admin.get("/api/v1/export/csv").body
    assert admin.get("/metrics").status == 200
    stranger = Visit(dashboard.url)
    for path in ("/api/v1/detections", "/api/openapi.json", "/api/v1/export/csv", "/metrics"):
        assert stranger.get(path).status == 401
