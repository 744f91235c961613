"""What people see in a browser: the dashboard's pages, and the report of a training."""

from __future__ import annotations

import time
from pathlib import Path

from PIL import Image

from scripts.pictures.image_files import narrowed, opened, rows_of
from scripts.pictures.world import World
from support.browsers import Browser
from support.dashboards import eventually

_DESK = (1280, 860)
_PHONE = (390, 780)
_WIDEST_PX = 1280
_IS_DRAWN = {
    "/map": "document.querySelectorAll('.map .place-name').length > 3",
    "/activity": "!document.querySelector('.summary').innerText.startsWith('Counting')",
}
"""What holds of a page once it has drawn what its browser draws."""
_SETTLE_S = 1.5  # charts and maps come up with a movement


class Screens:
    """Takes pictures of pages in one browser.

    Args:
        browser: Its screenshots go to `kept`.
        kept: The folder of the browser's screenshots.
        world: Whose pages.
    """

    def __init__(self, browser: Browser, kept: Path, world: World) -> None:
        self._browser, self._kept, self._world = browser, kept, world
        browser.sign_in(world.dashboard.url, world.dashboard.cookie)

    def page(
        self, path: str, *, size: tuple[int, int] = _DESK, is_dark: bool = False
    ) -> Image.Image:
        """Return a page as it looks once it is there."""
        self._open(path, size, is_dark=is_dark)
        return self._shot()

    def part(self, path: str, selector: str, *, is_dark: bool = False) -> Image.Image:
        """Return the first element of a selector on a page."""
        self._open(path, _DESK, is_dark=is_dark)
        return opened(self._browser.elements(selector)[0].screenshot_as_png)

    def phone(self, *paths: str) -> Image.Image:
        """Return pages side by side at the width of a phone."""
        return rows_of([[self.page(path, size=_PHONE) for path in paths]])

    def report(self) -> Image.Image:
        """Return the beginning of the training's report, and its plots beside one another."""
        self._browser.prefer_dark(is_dark=False)
        self._browser.open(self._world.report.as_uri(), width=1100)
        eventually(
            lambda: self._browser.value("document.readyState") == "complete", what="a report"
        )
        return self._shot()

    def plots(self) -> Image.Image:
        """Return the report's plots of the first target."""
        found = self._browser.elements("figure > figcaption + img")
        shots = [narrowed(opened(each.screenshot_as_png), 420) for each in found[:6]]
        return rows_of([shots[:3], shots[3:]])

    def _open(self, path: str, size: tuple[int, int], *, is_dark: bool) -> None:
        self._browser.prefer_dark(is_dark=is_dark)
        width, height = size
        self._browser.open(self._world.dashboard.url + path, width=width, height=height)
        eventually(lambda: self._browser.value("window.socket?.connected"), what="the page")
        loaded = "[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight)"
        eventually(
            lambda: self._browser.value(f"{loaded}.every(i => i.complete && i.naturalWidth)"),
            what="its pictures",
        )
        eventually(lambda: self._browser.value("document.fonts.status") == "loaded", what="fonts")
        eventually(lambda: self._browser.value(_IS_DRAWN.get(path, "true")), what=f"all of {path}")
        time.sleep(_SETTLE_S)

    def _shot(self) -> Image.Image:
        self._browser.keep("shot")
        return narrowed(opened(self._kept / "shot.png"), _WIDEST_PX)
