from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgeclip_device.wakeup import SOCKET_FILE, Bell, Listener


def test_the_listener_hears_the_bell(tmp_path: Path) -> None:
    heard = threading.Event()
    listener = Listener(tmp_path, heard.set)
    bell = Bell(tmp_path)
    bell.ring()
    assert heard.wait(5)
    bell.close()
    listener.close()
    assert not (tmp_path / SOCKET_FILE).exists()


def test_a_bell_that_nobody_hears_is_no_error(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    bell.ring()
    bell.close()


def test_many_rings_never_block_the_bell(tmp_path: Path) -> None:
    blocked = threading.Event()

    def hear_slowly() -> None:
        blocked.wait(5)

    listener = Listener(tmp_path, hear_slowly)
    bell = Bell(tmp_path)
    for _ in range(5000):
        bell.ring()
    blocked.set()
    bell.close()
    listener.close()


def test_the_socket_of_a_killed_uplink_is_replaced(tmp_path: Path) -> None:
    (tmp_path / SOCKET_FILE).write_text("left behind")
    heard = threading.Event()
    listener = Listener(tmp_path, heard.set)
    bell = Bell(tmp_path)
    bell.ring()
    assert heard.wait(5)
    bell.close()
    listener.close()


def test_a_path_that_is_too_long_for_a_socket_leaves_the_poll(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    Listener(deep, lambda: None).close()
    bell = Bell(deep)
    bell.ring()
    bell.close()
    assert "only polled" in caplog.text
