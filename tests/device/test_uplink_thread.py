from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.errors import OutboxError, SetupError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE, open_database
from edgeclip_device.events import Woken
from edgeclip_device.locks import only_process
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker


@pytest.mark.broker
def test_an_uplink_that_dies_says_so_and_is_not_forgotten(
    make_settings: Callable[..., DeviceSettings],
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    settings = make_settings(mqtt={"url": broker.url})
    failed = threading.Event()
    thread = UplinkThread(settings, Credentials(), on_failed=failed.set)
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())),
        caplog.at_level(logging.ERROR),
    ):
        thread.start()
        open_database(tmp_path / "newer").close()
        newer = tmp_path / "newer" / DATABASE_FILE
        with closing(sqlite3.connect(newer)) as connection, connection:
            connection.execute("UPDATE meta SET value = '9' WHERE key = 'schema'")
        for suffix in ("-wal", "-shm"):
            (settings.state / f"{DATABASE_FILE}{suffix}").unlink()
        newer.replace(settings.state / DATABASE_FILE)
        thread.uplink.events.put(Woken())
        assert failed.wait(20)
    thread.stop()
    with pytest.raises(OutboxError, match="has version 9"):
        thread.raise_failure()
    assert "the uplink failed" in caplog.text


def test_an_uplink_that_never_began_is_told_once_by_who_starts_it(
    make_settings: Callable[..., DeviceSettings], caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings()
    with (
        only_process(settings.state, "uplink"),
        pytest.raises(SetupError, match=r"another uplink .* works on"),
        caplog.at_level(logging.ERROR),
    ):
        UplinkThread(settings, Credentials()).start()
    assert caplog.text == ""
