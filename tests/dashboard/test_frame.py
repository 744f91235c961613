"""The frame around every page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.brokers import free_port
from support.browsers import Browser
from support.dashboards import Dashboard, eventually, running_dashboard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker) as running:
        yield running


def _open(browser: Browser, dashboard: Dashboard, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url, width=width)
    eventually(lambda: browser.texts("h1"), what="the page is built")


def test_the_menu_marks_the_page_that_is_open(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard)
    [current] = browser.elements("nav a[aria-current=page]")
    assert current.text.endswith("Live")
    assert browser.value("document.querySelectorAll('h1').length") == 1


def test_on_a_phone_the_menu_opens_and_closes(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, width=360)
    [menu] = browser.elements("#menu")
    assert not menu.is_displayed()
    browser.click("header .opener")
    eventually(menu.is_displayed, what="the menu opens")
    [opener] = browser.elements("header .opener")
    assert opener.get_attribute("aria-expanded") == "true"
    browser.keep("frame-phone-menu")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.click("header .opener")
    eventually(lambda: not menu.is_displayed(), what="the menu closes")


def test_a_chosen_theme_holds_on_the_next_page(browser: Browser, dashboard: Dashboard) -> None:
    is_dark = "document.body.classList.contains('body--dark')"
    _open(browser, dashboard)
    before = browser.value(is_dark)
    browser.click("header .theme")
    eventually(lambda: browser.value(is_dark) is not before, what="the theme changes")
    _open(browser, dashboard)
    eventually(lambda: browser.value(is_dark) is not before, what="it is the same after a reload")
    browser.forget()


def test_the_first_step_of_the_keyboard_leads_to_the_content(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard)
    browser.press("\ue004")  # Tab
    eventually(
        lambda: browser.value("document.activeElement.innerText") == "To the content",
        what="the link to the content has the focus",
    )
    browser.press("\ue007")  # Enter
    eventually(
        lambda: browser.value("document.activeElement.id") == "main", what="the content has it"
    )
