"""The demo's dashboard: its page in a real browser, and when detections appear on it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo_steps import Broker, Commands, seconds, wait_for_port, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_POLL_S = 0.05


class Page:
    """The dashboard and its live page."""

    def __init__(self, commands: Commands, broker: Broker, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.broker = broker
        self.project = "demo"
        store = commands.out / "dashboard"
        self._port = port
        self._start = commands.background(
            "Dashboard",
            *("edgeclip-dashboard", "serve", "--broker", broker.url, "--port", str(port)),
            *("--auth", "none"),  # this machine alone can reach it
            *("--protocol", broker.protocol, "--project", self.project),
            *("--database", store / "detections.sqlite", "--media", store / "media"),
        )

    def __enter__(self) -> Page:
        self._process = self._start.__enter__()
        wait_for_port(self._port, self._process)
        wait_until(
            lambda: self._get("/healthz")["link"]["name"] == "online", "the dashboard's link"
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._start.__exit__(None, None, None)

    @contextlib.contextmanager
    def open_in_browser(self) -> Iterator[None]:
        """Keep the page open in a real browser while the block lasts, where there is one."""
        if CHROMIUM is None:
            yield
            return
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            words = [*_browser(profile), "--remote-debugging-port=0", self.url]
            browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                yield
            finally:
                browser.terminate()
                browser.wait(10)

    @contextlib.contextmanager
    def watching(self) -> Iterator[dict[str, float]]:
        """Note when each new detection is on an open page, while the block lasts.

        Where no browser is installed, it is noted when the page's server has it.

        Yields:
            Seconds since 1970 by detection id; complete when the block has ended.
        """
        arrivals: dict[str, float] = {}
        before = {row["detection_id"] for row in self._detections()}
        ended = threading.Event()

        def note() -> None:
            while True:
                is_last = ended.is_set()
                for row in self._detections():
                    moment = _shown_at(row)
                    if row["detection_id"] not in before and moment is not None:
                        arrivals.setdefault(row["detection_id"], moment)
                if is_last:
                    return
                time.sleep(_POLL_S)

        thread = threading.Thread(target=note)
        thread.start()
        try:
            yield arrivals
        finally:
            ended.set()
            thread.join()

    def _detections(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._get("/api/detections?limit=1000")
        return rows

    def screenshot(self, path: Path) -> Path | None:
        """Write what a person sees to a PNG, where chromium is installed."""
        if CHROMIUM is None:
            return None
        with tempfile.TemporaryDirectory() as profile:
            size = ("--window-size=1280,900", "--virtual-time-budget=8000")
            words = [*_browser(profile), *size, f"--screenshot={path}", self.url]
            subprocess.run(words, capture_output=True, timeout=60, check=False)
        return path if path.exists() else None

    def wait(self) -> None:
        """Keep the page open until it ends by itself or Ctrl-C is pressed."""
        with contextlib.suppress(KeyboardInterrupt):
            self._process.wait()

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.load(answer)


def _browser(profile: str) -> list[str]:
    """Return the start of a command line for a browser without a window or calls home."""
    flags = "--headless=new --disable-gpu --hide-scrollbars --no-first-run --disable-sync"
    quiet = "--disable-background-networking --disable-component-update"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium refuses it for root
    return [str(CHROMIUM), *flags.split(), *quiet.split(), *sandbox, f"--user-data-dir={profile}"]


def _shown_at(row: dict[str, Any]) -> float | None:
    if CHROMIUM is None:
        return time.time()
    return seconds(row["shown_at"]) if row["shown_at"] else None
