"""Brokers that take small messages, or not all of ours: nothing of it blocks the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeclip.contract.commands import Reply
from edgeclip.contract.detection import new_id
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import SystemClock, boot_id
from edgeclip_device.config import DeviceSettings, MediaSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE, transaction
from edgeclip_device.health_store import HealthStore
from edgeclip_device.letters import note_entry, post, shortened
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import running_broker
from support.clocks import NOON
from support.receivers import Receiver, eventually, receiving
from support.samples import detection

Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]
TOPICS = DeviceTopics("demo", "jetson-1")


def _reply(data: str, command_id: str = "00000000-0000-0000-0000-000000000001") -> Reply:
    return Reply(
        command_id=command_id, name="snapshot", device_id="jetson-1", state="done", reason="",
        data={"jpeg": data}, at=NOON,
    )  # fmt: skip


def _said(receiver: Receiver, kind: str) -> list[bytes]:
    return [payload for topic, payload in list(receiver.others) if topic.startswith(kind)]


@pytest.mark.broker
def test_what_is_larger_than_the_broker_takes_blocks_no_letter_and_no_log(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink, health_row: bytes
) -> None:
    with running_broker(tmp_path / "b", settings=("max_packet_size 4000",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        clock = SystemClock()
        with closing(Backlog(settings.state)) as backlog:
            with transaction(backlog.connection) as connection:
                post(connection, f"{TOPICS.prefix}/up/odd", bytes(9000))
                post(connection, TOPICS.reply("x"), _reply("x" * 9000).to_json())
                for n in range(60):
                    note_entry(connection, clock, "command", f"{n} " + "x" * 280)
            for hour in range(6):
                HealthStore(backlog.connection).keep(f"{hour}", health_row)
        with receiving(broker) as receiver:
            uplink = start_uplink(settings)
            eventually(lambda: _said(receiver, "reply/"), "the reply")
            eventually(lambda: _entries(receiver) == 60, "the log book")
            eventually(lambda: _hours(receiver) == 6, "the hours")
            assert uplink.uplink.report.connections == 1
    reply = Reply.model_validate_json(_said(receiver, "reply/")[0])
    assert (reply.state, reply.data) == ("failed", {})
    assert "larger than this broker takes" in reply.reason
    with closing(Backlog(settings.state)) as backlog:
        assert backlog.dropped() == {"letters": 1}


def _entries(receiver: Receiver) -> int:
    books = [json.loads(payload) for payload in _said(receiver, "log")]
    found = {entry["text"] for book in books for entry in book["entries"]}
    return sum("x" * 280 in text for text in found)


def _hours(receiver: Receiver) -> int:
    return sum(len(json.loads(payload)["health"]) for payload in _said(receiver, "log"))


@pytest.fixture
def health_row(make_settings: Make, tmp_path: Path) -> bytes:
    """One row of health, as this machine has it."""
    with running_broker(tmp_path / "large") as broker, receiving(broker) as receiver:
        uplink = UplinkThread(
            make_settings(state=tmp_path / "other", mqtt={"url": broker.url}), Credentials()
        )
        uplink.start()
        eventually(lambda: receiver.healths, "its health")
        uplink.stop()
        return receiver.healths[0].to_json()


def test_a_reply_that_cannot_be_made_short_enough_is_none() -> None:
    whole = _reply("x").to_json()
    assert shortened(whole, len(whole)) == whole
    assert shortened(whole, 20) is None
    assert shortened(b"no reply", 3) is None


@pytest.mark.broker
def test_a_new_outbox_keeps_to_the_brokers_limit(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    snapshot = encode(noise, "full", MediaSettings())
    with running_broker(tmp_path / "b", settings=("max_packet_size 4000",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with receiving(broker) as receiver:
            uplink = start_uplink(settings)
            eventually(lambda: uplink.uplink.report.state == "online", "the connection")
            (settings.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
            with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
                outbox.emit(detection(detection_id=new_id(1)), [Attachment(0, snapshot)])
                eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
            assert uplink.uplink.report.connections == 1
    assert receiver.media == {snapshot.sha256: snapshot.data}


@pytest.mark.broker
@pytest.mark.parametrize("kind", ["status", "info", "health"])
def test_a_broker_that_takes_no_status_info_or_health_is_an_alarm(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink, kind: str
) -> None:
    acl = tmp_path / "acl"
    others = [item for item in ("status", "info", "health", "alarm/+") if item != kind]
    lines = [f"topic write {TOPICS.prefix}/up/{item}" for item in others]
    acl.write_text("topic read #\n" + "\n".join(lines) + "\n")
    with running_broker(tmp_path / "b", settings=(f"acl_file {acl}",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with receiving(broker) as receiver:
            start_uplink(settings)
            eventually(lambda: f"up/{kind}: " in _authority(receiver), "the alarm")


def _authority(receiver: Receiver) -> str:
    return receiver.alarms().get("auth_failed", "")


def test_letters_that_are_dropped_are_counted_and_a_clocks_fix_is_none_of_them(
    tmp_path: Path,
) -> None:
    with closing(Backlog(tmp_path)) as backlog:
        with transaction(backlog.connection) as connection:
            post(connection, TOPICS.clockfix, boot_id().encode())
            for n in range(510):
                post(connection, TOPICS.reply(f"{n}"), b"{}")
        rows = backlog.connection.execute("SELECT topic FROM letters ORDER BY id").fetchall()
        assert rows[0] == (TOPICS.clockfix,)
        assert backlog.dropped() == {"letters": 10}
        assert rows[1] == (TOPICS.reply("10"),)
