"""Deliveries that an uplink takes in: what it says of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.events import Arrived
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.uplink_acts import command_desk
from support.commanders import Commander
from support.receivers import eventually

Make = Callable[..., DeviceSettings]
TOPICS = DeviceTopics("demo", "jetson-1")


@pytest.fixture
def admin(tmp_path: Path) -> Commander:
    """Somebody who may do all."""
    return Commander(tmp_path / "admin")


@pytest.mark.parametrize("port", [":1", ":no-port", ""])
def test_a_login_in_a_deliverys_url_is_told_to_nobody(
    make_settings: Make, admin: Commander, caplog: pytest.LogCaptureFixture, port: str
) -> None:
    settings = make_settings(commands={"admins": [admin.public]})
    url = f"http://ranger:s3cret@127.0.0.1{port}/x.zip?token=s3cret"
    args = {"sha256": "0" * 64, "size_bytes": 10, "url": url}
    with closing(Backlog(settings.state)) as backlog:
        desk = command_desk(settings, backlog, SystemClock(), EventQueue())
        command = admin.command("pack_add", args=args)
        desk.on_message(Arrived(TOPICS.command("pack_add"), admin.seal(command)))

        def is_told() -> bool:
            desk.tick()
            return b'"failed"' in _told(backlog)

        eventually(is_told, "the failure")
        assert b"127.0.0.1" in _told(backlog)
        assert b"s3cret" not in _told(backlog)
    assert "s3cret" not in caplog.text


def _told(backlog: Backlog) -> bytes:
    rows = backlog.connection.execute("SELECT payload FROM letters").fetchall()
    rows += backlog.connection.execute("SELECT CAST(text AS BLOB) FROM logbook").fetchall()
    return b" ".join(row[0] for row in rows)
