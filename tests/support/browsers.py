"""A real headless Chromium, and what tests ask of a page in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_FLAGS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-background-networking",
    "disable-component-update", "disable-sync", "no-first-run", "hide-scrollbars",
    "disable-dev-shm-usage",
)  # fmt: skip
_PATIENCE_S = 30.0
_NOT_YET = (  # what moves, is covered by what moves, or is drawn anew can be clicked a moment later
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)


class Browser:
    """A browser with one page open.

    Args:
        driver: Chromium's driver.
        kept: The folder that screenshots go to.
    """

    def __init__(self, driver: webdriver.Chrome, kept: Path) -> None:
        self._driver = driver
        self._kept = kept

    def open(self, url: str, *, width: int = 1400, height: int = 900) -> None:
        """Open a page at a size, in CSS pixels, with empty logs."""
        self._driver.get("about:blank")  # the page before would go on looking for its server
        self._log("browser")  # reading it empties it
        self._log("performance")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._driver.get(url)

    def sign_in(self, url: str, cookie: str) -> None:
        """Give the browser a session of the dashboard at an address, as `name=value`."""
        name, _, value = cookie.partition("=")
        if name:
            given = {"url": url, "name": name, "value": value, "httpOnly": True}
            self._driver.execute_cdp_cmd("Network.setCookie", given)

    def prefer_dark(self, *, is_dark: bool) -> None:
        """Let the system be in dark mode, or not."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def texts(self, selector: str) -> list[str]:
        """Return the visible text of each element of a selector."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        texts: list[str] = self._driver.execute_script(script, selector)
        return texts

    def text(self, selector: str) -> str:
        """Return all of them in one line."""
        return " | ".join(self.texts(selector))

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self._driver.execute_script(f"return {expression}")

    def elements(self, selector: str) -> list[WebElement]:
        """Return the elements of a selector."""
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str, label: str = "") -> None:
        """Click the first visible element of a selector whose text has a label, once it can be.

        Raises:
            TimeoutException: There was none, or something lay over it all the time.
        """
        WebDriverWait(self._driver, _PATIENCE_S, 0.05, ignored_exceptions=_NOT_YET).until(
            lambda _: self._clicked(selector, label), f"{label} of {selector} can be clicked"
        )

    def _clicked(self, selector: str, label: str) -> bool:
        for element in self.elements(selector):
            if element.is_displayed() and label in element.text:
                element.click()
                return True
        return False

    def press(self, keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        ActionChains(self._driver).send_keys(keys).perform()

    def hover(self, element: WebElement) -> None:
        """Move the pointer onto an element's middle."""
        ActionChains(self._driver).move_to_element(element).perform()

    def forget(self) -> None:
        """Forget all cookies, such as a chosen theme."""
        self._driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    @property
    def title(self) -> str:
        """The page's title."""
        return self._driver.title

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        self._kept.mkdir(exist_ok=True)
        self._driver.save_screenshot(str(self._kept / f"{name}.png"))

    def console(self) -> list[str]:
        """Return what the console has shown since the page was opened."""
        return self._log("browser")

    def requested(self) -> list[str]:
        """Return the addresses that were requested since the page was opened."""
        return [
            message.split('"url":"')[1].split('"')[0]
            for message in self._log("performance")
            if '"Network.requestWillBeSent"' in message and '"url":"' in message
        ]

    def _log(self, kind: str) -> list[str]:
        entries: list[dict[str, str]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium
        return [entry["message"] for entry in entries]


@contextmanager
def chromium(kept: Path) -> Iterator[Browser]:
    """Yield a browser with a fresh profile.

    Args:
        kept: The folder that screenshots go to; made when the first is kept.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        for flag in (*_FLAGS, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield Browser(driver, kept)
        finally:
            driver.quit()
