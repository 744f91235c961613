"""Pages for watching as viewers see them, with hostile text and with a battery, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from edgeclip_dashboard.accounts import add_account
from edgeclip_dashboard.deeds import COMMAND_LINE
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    jpeg,
    media_ref,
    running_dashboard,
)
from support.reports_of_a_device import health
from support.sign_ins import Visit

pytestmark = [pytest.mark.broker, pytest.mark.browser]

HOSTILE = "<img src=x onerror=document.title='owned'>{{7*7}}"


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, device: FieldDevice
) -> Iterator[Dashboard]:
    """One that holds a detection whose texts are all hostile, and the health of its device."""
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        data = jpeg(1, (640, 400))
        told = device.sample(
            seq=1, class_name=HOSTILE, scientific_name=HOSTILE, media=[media_ref(data)],
            top=[(HOSTILE, 0.9), (f"{HOSTILE}2", 0.1)],
        )  # fmt: skip
        pack = told.pack.model_copy(update={"task": HOSTILE, "backend": HOSTILE})
        told = told.model_copy(update={"pack": pack})
        device.send(told)
        device.send_media(told, data)
        device.publish(device.topics.health, health(datetime.now(timezone.utc)).to_json())
        eventually(lambda: running.health()["store"]["counts"]["media"] == 1, what="all is there")
        yield running


def _open(browser: Browser, dashboard: Dashboard, path: str, cookie: str = "") -> None:
    browser.forget()
    browser.sign_in(dashboard.url, cookie or dashboard.cookie)
    browser.open(dashboard.url + path)
    eventually(lambda: browser.texts("h1, body"), what="the page is built")


def _viewer(dashboard: Dashboard) -> str:
    """Return the session of a new viewer."""
    engine = create_engine(f"sqlite:///{dashboard.folder / 'detections.sqlite'}")
    with Session(engine) as session, session.begin():
        word = add_account(session, COMMAND_LINE, "vera", "viewer", datetime.now(timezone.utc))
    engine.dispose()
    visit = Visit(dashboard.url)
    visit.sign_in("vera", word)
    visit.change_password(word, "nine green bottles on a wall")
    return visit.session_cookie


def test_the_battery_of_the_device_stands_on_the_card(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "/")
    eventually(lambda: "battery 12.6 V" in browser.text(".votes"), what="the battery is told")


@pytest.mark.parametrize("path", ["/", "/review", "/detections/ID", "/activity"])
def test_texts_of_a_device_are_only_text_on_every_page(
    browser: Browser, dashboard: Dashboard, path: str
) -> None:
    [stored] = dashboard.detections()
    _open(browser, dashboard, path.replace("ID", stored["detection_id"]))
    if path == "/activity":
        eventually(lambda: browser.elements("figure canvas"), what="it is drawn")
    else:
        eventually(lambda: HOSTILE in browser.text("main"), what="it is shown as text")
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0
    assert "owned" not in browser.title.replace(HOSTILE, "")
    assert browser.console() == []


def test_a_viewer_looks_and_does_not_judge(browser: Browser, dashboard: Dashboard) -> None:
    cookie = _viewer(dashboard)
    [stored] = dashboard.detections()
    _open(browser, dashboard, f"/detections/{stored['detection_id']}", cookie)
    assert browser.texts("h1") == [HOSTILE]
    assert browser.elements(".verdicts") == []
    assert "Review" not in browser.text("nav")
    _open(browser, dashboard, "/review", cookie)
    assert "reviewer" in browser.text("body")
    assert browser.elements(".review") == []
