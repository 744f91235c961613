"""What every test gets: needs that are checked by marker, no network but loopback, no hub."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.postgres import postgres_programs

ROOT = Path(__file__).parents[1]
NO_SKIPS = "EDGECLIP_NO_SKIPS"  # set by .ci/run: there, a need that is not met is a failure
REAL_DATA = Path(os.environ.get("EDGECLIP_REAL_DATA", ROOT.parent / "shared/data/camera-traps"))
REAL_WEIGHTS = ROOT.parent / "shared/weights/bootstrap-clip"

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that needs weights ships or makes them
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: threads would only wait for others
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what ends in `&`
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no child could be interrupted


def _on_path(*programs: str) -> Callable[[], str]:
    def missing() -> str:
        absent = [name for name in programs if shutil.which(name) is None]
        return f"not on PATH: {', '.join(absent)}" if absent else ""

    return missing


def _module(name: str) -> Callable[[], str]:
    return lambda: "" if importlib.util.find_spec(name) else f"Python module {name} is absent"


def _folder(path: Path) -> Callable[[], str]:
    return lambda: "" if path.is_dir() else f"no folder {path.name} at its usual place"


def _postgres() -> str:
    if postgres_programs() is None:
        return "no initdb, neither on PATH nor in /usr/lib/postgresql"
    return _module("psycopg")()


NEEDS: dict[str, Callable[[], str]] = {
    "broker": _on_path("mosquitto"),
    "browser": _on_path("chromium", "chromedriver"),
    "deb": _on_path("dpkg-deb"),
    "gpu": _on_path("nvidia-smi"),
    "postgres": _postgres,
    "real_data": _folder(REAL_DATA),
    "real_weights": _folder(REAL_WEIGHTS),
    "rtx": _module("tensorrt_rtx"),
    "systemd": _on_path("systemd-analyze"),
}
INSTALLABLE = set(NEEDS) - {"gpu"}  # nothing but a GPU is beyond .ci/run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: short ones last let all workers end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is not met, and say which."""
    for marker, missing in NEEDS.items():
        if item.get_closest_marker(marker) and (reason := missing()):
            pytest.skip(f"needs {marker}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say, where skips are failures, that they are."""
    if count := _forbidden_skips(terminalreporter):
        terminalreporter.write_line(f"{NO_SKIPS} is set: {count} skipped tests fail the run")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run after such a skip where `EDGECLIP_NO_SKIPS` is set."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and _forbidden_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _forbidden_skips(reporter: pytest.TerminalReporter) -> int:
    """Return how many tests skipped for a need that this run was to meet."""
    if not os.environ.get(NO_SKIPS):
        return 0
    reasons = (str(report.longrepr) for report in reporter.stats.get("skipped", []))
    return sum(any(f"needs {need}:" in reason for need in INSTALLABLE) for reason in reasons)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real camera-trap images; for tests marked `real_data`."""
    return REAL_DATA


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """The folder of the real CLIP-shaped backbone; for tests marked `real_weights`."""
    return REAL_WEIGHTS


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise OSError(f"a test tried to reach {address[0]}: tests stay on this machine")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
