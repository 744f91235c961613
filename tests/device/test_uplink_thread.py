from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from edgeclip.errors import EdgeclipError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.events import Woken
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker


@pytest.mark.broker
def test_an_uplink_that_dies_says_so_and_is_not_forgotten(
    make_settings: Callable[..., DeviceSettings],
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(mqtt={"url": broker.url})
    failed = threading.Event()
    thread = UplinkThread(settings, Credentials(), on_failed=failed.set)
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())),
        caplog.at_level(logging.ERROR),
    ):
        thread.start()
        with closing(sqlite3.connect(settings.state / DATABASE_FILE)) as vandal:
            vandal.execute("DROP TABLE outbox")
            vandal.commit()
        thread.uplink.events.put(Woken())
        assert failed.wait(20)
    thread.stop()
    with pytest.raises(EdgeclipError):
        thread.raise_failure()
    assert "the uplink failed" in caplog.text
