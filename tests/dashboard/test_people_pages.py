"""Sign-in, accounts and deeds in a real Chromium."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from support.brokers import free_port
from support.browsers import Browser
from support.dashboards import Dashboard, eventually, running_dashboard
from support.sign_ins import ADMIN_PASSWORD, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker) as running:
        assert running.cookie  # the first admin has chosen a password then
        yield running


def _open(browser: Browser, dashboard: Dashboard, path: str, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url + path, width=width)
    eventually(lambda: browser.texts("h1"), what="the page is built")


def _fill(browser: Browser, selector: str, text: str) -> None:
    [element] = browser.elements(selector)
    element.clear()
    element.send_keys(text)


def test_a_person_signs_in_on_a_phone_and_out_again(browser: Browser, dashboard: Dashboard) -> None:
    browser.sign_in(dashboard.url, "edgeclip_demo=none")
    browser.open(dashboard.url, width=360, height=740)
    assert browser.value("location.pathname") == "/sign-in"
    assert browser.value("document.documentElement.scrollWidth") <= 360
    assert browser.value("document.activeElement.name") == "name"
    browser.keep("sign-in-phone")
    for name, text in (("name", "admin"), ("password", "wrong password"), ("password", "")):
        _fill(browser, f"input[name={name}]", text)
    _fill(browser, "input[name=password]", "wrong password")
    browser.click("button")
    eventually(lambda: "is wrong" in browser.text("[role=alert]"), what="it is refused")
    assert browser.value("document.activeElement.name") == "password"
    browser.keep("sign-in-refused")
    _fill(browser, "input[name=name]", "admin")
    _fill(browser, "input[name=password]", ADMIN_PASSWORD)
    browser.click("button")
    eventually(lambda: browser.value("location.pathname") == "/", what="the live page opens")
    browser.open(dashboard.url + "/account", width=360)
    assert "Signed in as admin. Role: admin." in browser.text("main")
    assert browser.value("document.cookie").find("edgeclip_demo") == -1
    browser.keep("account-phone")
    browser.open(dashboard.url + "/password", width=360)
    keeper = "document.querySelector('input[autocomplete=username]')"
    assert browser.value(f"[{keeper}.value, {keeper}.offsetParent]") == ["admin", None]
    assert browser.value("document.activeElement.name") == "present"
    browser.open(dashboard.url + "/account", width=360)
    browser.click("button")
    eventually(lambda: browser.value("location.pathname") == "/sign-in", what="it is signed out")
    assert [line for line in browser.console() if "403" not in line] == []


def test_the_sign_in_follows_the_dark_mode_of_the_system(
    browser: Browser, dashboard: Dashboard
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.sign_in(dashboard.url, "edgeclip_demo=none")
    browser.open(f"{dashboard.url}/sign-in")
    before = browser.value(paper)
    browser.prefer_dark(is_dark=True)
    try:
        assert browser.value(paper) != before
        browser.keep("sign-in-dark")
    finally:
        browser.prefer_dark(is_dark=False)


def test_an_admin_adds_an_account_whose_password_is_shown_once(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "/accounts")
    [name, _] = browser.elements(".adder input[maxlength='64']")
    name.send_keys("Jane")
    browser.click(".adder button")
    eventually(lambda: "One-time password of jane" in browser.text(".told"), what="it is added")
    once = browser.text(".told").split(": ")[1].split()[0]
    eventually(lambda: "jane" in browser.text(".people .name"), what="it is listed")
    browser.keep("accounts")
    visit = Visit(dashboard.url)
    assert visit.sign_in("jane", once).status == 303
    browser.click("button[aria-label='Disable jane']")
    eventually(lambda: "disabled" in browser.text(".people .state"), what="it is disabled")
    assert visit.get("/password").location.startswith("/sign-in")
    browser.click("button[aria-label='Disable admin']")
    eventually(lambda: "the last admin" in browser.text(".told"), what="it is refused")
    assert browser.console() == []


def test_deeds_tell_who_did_what(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, "/deeds", width=360)
    eventually(lambda: browser.texts(".deeds li"), what="there are deeds")
    told = browser.text(".deeds .deed")
    assert "signed in" in told
    assert "password changed" in told
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("deeds-phone")
    assert browser.console() == []


def test_an_open_page_ends_with_its_session(browser: Browser, dashboard: Dashboard) -> None:
    visit = Visit(dashboard.url)
    visit.sign_in("admin", ADMIN_PASSWORD)
    browser.sign_in(dashboard.url, visit.session_cookie)
    browser.open(f"{dashboard.url}/accounts")
    eventually(lambda: browser.elements(".adder button"), what="the page is built")
    [name, _] = browser.elements(".adder input[maxlength='64']")
    name.send_keys("mallory")
    visit.post("/sign-out", {"csrf": visit.csrf("/account")})
    browser.click(".adder button")
    eventually(lambda: browser.value("location.pathname") == "/sign-in", what="it has to sign in")
    listed = [row["name"] for row in _accounts(dashboard)]
    assert "mallory" not in listed


def test_a_page_that_was_away_when_its_session_ended_signs_in_again(
    browser: Browser, dashboard: Dashboard
) -> None:
    visit = Visit(dashboard.url)
    visit.sign_in("admin", ADMIN_PASSWORD)
    browser.sign_in(dashboard.url, visit.session_cookie)
    browser.open(f"{dashboard.url}/deeds")
    eventually(lambda: browser.texts(".deeds li"), what="the page is built")
    is_lost = "document.getElementById('popup').ariaHidden === 'false'"
    dashboard.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: browser.value(is_lost), what="the page has lost its socket")
        with closing(sqlite3.connect(dashboard.folder / "detections.sqlite")) as connection:
            connection.execute("DELETE FROM sign_ins")
            connection.commit()
    finally:
        dashboard.process.send_signal(signal.SIGCONT)
    eventually(lambda: browser.value("location.pathname") == "/sign-in", what="it has to sign in")
    assert browser.value("location.search") == "?next=/deeds"


def _accounts(dashboard: Dashboard) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", "account", "list", "--json"]
    where = ["--database", str(dashboard.folder / "detections.sqlite")]
    done = subprocess.run([*command, *where], capture_output=True, timeout=60, check=True)
    listed: list[dict[str, str]] = json.loads(done.stdout)
    return listed
