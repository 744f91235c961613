from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edgeclip_device.notify import Notifier


@pytest.fixture
def new_notifier() -> Iterator[Callable[[], Notifier]]:
    """Makes notifiers in the environment as it is, and closes them at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Notifier()))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


def test_systemd_hears_ready_status_more_time_and_the_end(
    new_notifier: Callable[[], Notifier], systemd: socket.socket
) -> None:
    notifier = new_notifier()
    notifier.busy(120)
    notifier.ready()
    notifier.status("60 frames")
    notifier.stopping()
    assert [systemd.recv(200) for _ in range(4)] == [
        b"EXTEND_TIMEOUT_USEC=120000000",
        b"READY=1",
        b"STATUS=60 frames",
        b"STOPPING=1",
    ]


def test_a_service_that_works_already_makes_the_watchdog_wait_while_it_is_busy(
    new_notifier: Callable[[], Notifier], systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = new_notifier()
    notifier.ready()
    notifier.busy(120)
    notifier.at_work()
    assert [systemd.recv(200) for _ in range(3)] == [
        b"READY=1",
        b"WATCHDOG_USEC=120000000",
        b"WATCHDOG_USEC=60000000",
    ]


def test_the_same_status_is_said_once(
    new_notifier: Callable[[], Notifier], systemd: socket.socket
) -> None:
    notifier = new_notifier()
    notifier.status("online")
    notifier.status("online")
    notifier.ready()
    assert [systemd.recv(200), systemd.recv(200)] == [b"STATUS=online", b"READY=1"]


def test_the_watchdog_is_fed_at_once_and_then_only_when_it_is_time(
    new_notifier: Callable[[], Notifier], systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = new_notifier()
    notifier.feed()
    notifier.feed()
    notifier.ready()
    assert notifier.interval_s == 30
    assert [systemd.recv(200), systemd.recv(200)] == [b"WATCHDOG=1", b"READY=1"]


@pytest.mark.parametrize(("usec", "pid"), [("60000000", "1"), ("0", None), ("x", None)])
def test_a_watchdog_that_is_not_ours_is_not_fed(
    new_notifier: Callable[[], Notifier],
    systemd: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    usec: str,
    pid: str | None,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    notifier = new_notifier()
    notifier.feed()
    notifier.ready()
    assert notifier.interval_s is None
    assert systemd.recv(200) == b"READY=1"


def test_without_systemd_nothing_is_sent(
    new_notifier: Callable[[], Notifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = new_notifier()
    notifier.ready()
    notifier.feed()
    assert notifier.interval_s is None or notifier.interval_s > 0


def test_an_abstract_socket_is_understood(
    new_notifier: Callable[[], Notifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"edgeclip-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        new_notifier().ready()
        assert listener.recv(200) == b"READY=1"


def test_a_socket_that_is_gone_is_logged_and_stops_nothing(
    new_notifier: Callable[[], Notifier],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notifier = new_notifier()
    notifier.ready()
    notifier.ready()
    assert caplog.text.count("systemd cannot be told READY") == 1
