"""How soon a page shows in Chromium: its first paint, and the first card of what it lists."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Final

from support.browsers import Browser, chromium

_PATIENCE_S: Final = 60.0
_PAINT: Final = (
    "(performance.getEntriesByName('first-contentful-paint')[0] || {startTime: null}).startTime"
)


def page_times(
    url: str, paths: dict[str, str], kept: Path, *, repeats: int, card: str = ".grid > *"
) -> dict[str, object]:
    """Return milliseconds, medians over some loads of each page after one that warms up.

    Args:
        url: Of the dashboard.
        paths: What is opened, by the name of the figure.
        kept: Folder for the browser's files.
        repeats: How often each page is loaded.
        card: Selector of what is waited for.
    """
    figures: dict[str, object] = {}
    with chromium(kept) as browser:
        for name, path in paths.items():
            loads = [_load(browser, url + path, card) for _ in range(repeats + 1)][1:]
            figures[name] = {
                "first_paint_ms": round(statistics.median(paint for paint, _ in loads)),
                "first_card_ms": round(statistics.median(card for _, card in loads)),
            }
    return figures


def _load(browser: Browser, address: str, card: str) -> tuple[float, float]:
    began = time.perf_counter()
    browser.open(address)
    while not browser.elements(card):
        if time.perf_counter() - began > _PATIENCE_S:
            raise SystemExit(f"{address} showed nothing in {_PATIENCE_S:.0f} s")
        time.sleep(0.01)
    card_ms = 1000 * (time.perf_counter() - began)
    return float(browser.value(_PAINT) or card_ms), card_ms
