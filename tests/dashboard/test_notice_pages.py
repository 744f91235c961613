"""Rules, notices and webhooks in a real Chromium, from the form to the message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from selenium.webdriver.common.keys import Keys
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.accounts import add_account
from edgeclip_dashboard.database import database_url, join_database
from edgeclip_dashboard.deeds import COMMAND_LINE
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    running_dashboard,
)
from support.listeners import HttpListener, http_listener
from support.sign_ins import Visit

pytestmark = [pytest.mark.broker, pytest.mark.browser]

PUBLIC = "http://cams.example.org"  # with https the cookie would be for https alone


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    config = folder / "dashboard.toml"
    config.write_text(f'[page]\npublic_url = "{PUBLIC}"\n')
    with running_dashboard(folder, broker.url, "--config", str(config)) as running:
        running.wait_online()
        yield running


@pytest.fixture
def server() -> Iterator[HttpListener]:
    with http_listener() as listening:
        yield listening


@pytest.fixture
def device(broker: Broker) -> Iterator[FieldDevice]:
    with field_device(broker.url) as connected:
        yield connected


def _open(browser: Browser, dashboard: Dashboard, path: str, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url + path, width=width)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")


def _fill(browser: Browser, label: str, text: str) -> None:
    selector = f"[aria-label={label!r}]"
    eventually(lambda: browser.elements(selector), what=f"the field {label}")
    browser.elements(selector)[0].send_keys(text)


def _seen_now(device: FieldDevice, **changes: object) -> Detection:
    now = datetime.now(timezone.utc)
    detection = device.sample(**changes)
    time = detection.time.model_copy(update={"best_at": now, "started_at": now})
    detection = detection.model_copy(update={"time": time})
    device.send(detection)
    return detection


def test_from_a_rule_to_a_message_to_the_one_who_has_seen_it(
    browser: Browser, dashboard: Dashboard, device: FieldDevice, server: HttpListener
) -> None:
    _open(browser, dashboard, "/rules")
    browser.keep("rules-empty")
    browser.click("button.action", "New rule")
    _fill(browser, "Name", "night leopards")
    _fill(browser, "Tell", server.channel("t0ken-of-the-team"))
    browser.keep("rules-form")
    browser.click("button.action", "Store the rule")
    eventually(
        lambda: "The rule night leopards is stored." in browser.text(".answer"), what="it is"
    )
    eventually(lambda: "JSON (json://127.0.0.1/...)" in browser.text(".told"), what="it is shown")
    browser.click("button.action", "Send a test")
    eventually(lambda: "took it" in browser.text(".answer"), what="the channel was tried")
    assert server.titles() == ["Test of the rule night leopards"]
    browser.keep("rules")
    assert "t0ken" not in browser.value("document.documentElement.outerHTML")

    _seen_now(device, seq=1)
    eventually(lambda: len(server.titles()) == 2, what="the team is told")
    assert server.titles()[1] == "leopard 93 % at ridge-2026"
    link = re.search(rf"{PUBLIC}(/acknowledge\S+)", server.heard[1].json()["message"])
    assert link is not None

    _open(browser, dashboard, "/notices", width=390)
    eventually(lambda: "night leopards" in browser.text(".told"), what="the notice is shown")
    browser.keep("notices-phone")
    assert browser.value("document.documentElement.scrollWidth") <= 390

    stranger = Visit(dashboard.url)
    opened = stranger.get(link.group(1))
    assert "leopard at ridge-2026" in opened.body
    assert "I have seen it" in opened.body
    assert "Acknowledged" not in stranger.get(link.group(1)).body
    token = link.group(1).partition("token=")[2]
    assert stranger.post(link.group(1), {"csrf": "x"}).status == 400
    assert "Acknowledged by link" in stranger.post(link.group(1), {"csrf": token}).body
    assert "Acknowledged by link" in stranger.get(link.group(1)).body
    assert stranger.get(link.group(1)[:-1] + "_").status == 404
    assert stranger.get("/notices").status == 303
    eventually(lambda: "acknowledged by link" in browser.text(".told"), what="the page follows")
    assert browser.console() == []


def test_a_notice_is_acknowledged_on_its_page(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/notices")
    _seen_now(device, seq=2, class_name="<b>lion</b>")
    eventually(lambda: "<b>lion</b>" in browser.text(".told"), what="it is shown as text")
    browser.click("button.action", "I have seen it")
    eventually(lambda: "acknowledged by admin" in browser.text(".told"), what="it is noted")
    browser.keep("notices")
    assert browser.console() == []


def test_a_wrong_rule_says_what_is_wrong_and_an_old_channel_is_kept(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "/rules")
    browser.click("button.action", "Change")
    _fill(browser, "Tell further", "pigeon://s3cret-s3cret")
    browser.click("button.action", "Store the rule")
    eventually(
        lambda: (
            "channel 1: Apprise does not take this pigeon:// address"
            in browser.text(".writer .problem")
        ),
        what="it says why",
    )
    assert "s3cret" not in browser.text(".writer .problem")
    for label in ("Tell further", "Name"):
        [field] = browser.elements(f"[aria-label='{label}']")
        field.send_keys(Keys.CONTROL + "a", Keys.DELETE)
    browser.click("button.action", "Store the rule")
    eventually(
        lambda: "name: is empty: write one" in browser.text(".writer .problem"), what="no name"
    )
    _fill(browser, "Name", "night leopards and dawns")
    browser.click("button.action", "Store the rule")
    eventually(lambda: "night leopards and dawns" in browser.text(".told"), what="it is changed")
    assert "JSON (json://127.0.0.1/...)" in browser.text(".told")
    assert browser.console() == []


def test_a_webhook_shows_its_secret_once_and_is_told(
    browser: Browser, dashboard: Dashboard, device: FieldDevice, server: HttpListener
) -> None:
    _open(browser, dashboard, "/webhooks")
    _fill(browser, "Name", "partner")
    _fill(browser, "Address, https://..", f"{server.url}/in")
    browser.click("button.action", "Store the webhook")
    eventually(lambda: "(shown this once)" in browser.text(".answer"), what="the secret is shown")
    _seen_now(device, seq=3)
    eventually(lambda: server.heard, what="the partner is told")
    assert server.heard[0].headers["edgeclip-signature"].startswith("t=")
    eventually(lambda: "1 sent" in browser.text(".told"), what="the page follows")
    browser.keep("webhooks")
    _open(browser, dashboard, "/webhooks")
    assert "shown this once" not in browser.value("document.documentElement.outerHTML")
    browser.click("button.action", "Switch off")
    eventually(lambda: "partner is off" in browser.text(".answer"), what="it is switched off")
    assert browser.console() == []


def test_a_viewer_sees_notices_and_neither_rules_nor_webhooks(
    browser: Browser, dashboard: Dashboard
) -> None:
    database = database_url(str(dashboard.folder / "detections.sqlite"))
    with join_database(database, project="demo") as engine, Session(engine) as session:
        once = add_account(session, COMMAND_LINE, "vera", "viewer", datetime.now(timezone.utc))
        session.commit()
    viewer = Visit(dashboard.url)
    viewer.sign_in("vera", once)
    viewer.change_password(once, "zebras walk by day")
    assert viewer.get("/rules").status == 403
    assert viewer.get("/webhooks").status == 403
    browser.sign_in(dashboard.url, viewer.session_cookie)
    browser.open(dashboard.url + "/notices")
    eventually(lambda: "night leopards" in browser.text(".told"), what="the notices are shown")
    assert "Look" in browser.text(".told .action")
    assert "I have seen it" not in browser.text(".told .action")
    assert "Rules" not in browser.text("nav")
