from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, MediaSettings
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.outbox_status import read_status
from edgeclip_device.running import RUNNING, running
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, running_broker
from support.clocks import NOON
from support.drawn_clips import ground
from support.receivers import eventually, receiving
from support.samples import detection

pytestmark = pytest.mark.broker

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(300)]
Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]


def _emit(outbox: Outbox, first: int, last: int) -> None:
    for item in IDS[first:last]:
        outbox.emit(detection(detection_id=item))


def test_detections_and_media_arrive_and_leave_the_disk_at_the_receipt(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    snapshot = encode(ground(), "full", MediaSettings())
    stored.emit(detection(detection_id=IDS[0]), [Attachment(0, snapshot)])
    _emit(stored, 1, 30)
    with receiving(broker) as receiver:
        start_uplink(linked)
        eventually(lambda: stored.waiting() == (0, 0), "all receipts")
    assert receiver.keys() == {(item, 0) for item in IDS[:30]}
    assert receiver.media == {snapshot.sha256: snapshot.data}
    assert list(stored.media_folder.iterdir()) == []


def test_a_large_snapshot_arrives_in_parts_that_the_broker_takes(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    snapshot = encode(noise, "full", MediaSettings())
    with running_broker(tmp_path / "b", settings=("max_packet_size 4000",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with (
            closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
            receiving(broker) as receiver,
        ):
            outbox.emit(detection(detection_id=IDS[0]), [Attachment(0, snapshot)])
            start_uplink(settings)
            eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert receiver.media == {snapshot.sha256: snapshot.data}
    assert len(receiver.parts[IDS[0]]) == -(-len(snapshot.data) // 3800)


def test_without_a_receipt_the_row_stays_and_is_sent_again(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    _emit(stored, 0, 2)
    with receiving(broker, gives_receipts=False) as receiver:
        start_uplink(linked)
        eventually(lambda: receiver.duplicates() >= 2, "both again")
        assert stored.waiting() == (2, 0)
        receiver.gives_receipts = True
        eventually(lambda: stored.waiting() == (0, 0), "all receipts")


def test_a_broker_that_takes_messages_for_nobody_is_no_delivery(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    _emit(stored, 0, 3)
    uplink = start_uplink(linked)
    eventually(lambda: uplink.uplink.counts.resent >= 1, "sent again")
    assert stored.waiting() == (3, 0)
    assert read_status(linked.state).refused == {"No matching subscribers": 3}
    with receiving(broker):
        eventually(lambda: stored.waiting() == (0, 0), "all receipts")


def test_a_row_that_the_dashboard_refuses_is_dropped_and_blocks_nothing(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    _emit(stored, 0, 3)
    with receiving(broker, refuses=frozenset({2})) as receiver:
        uplink = start_uplink(linked)
        eventually(lambda: stored.waiting() == (0, 0), "an empty stored")
    assert receiver.keys() == {(IDS[0], 0), (IDS[2], 0)}
    assert uplink.uplink.counts.refused_by_dashboard == 1
    assert [(d.kind, d.count) for d in read_status(linked.state).dropped] == [("refused", 1)]


def test_status_and_info_are_retained_and_say_what_runs(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    what = running("leopard@1.0.0", ("onnxruntime", "fp32"), "/dev/video0", NOON)
    stored.note(RUNNING, what.model_dump_json())
    uplink = start_uplink(linked)
    eventually(lambda: uplink.uplink.report.state == "online", "the connection")
    with receiving(broker) as receiver:
        eventually(lambda: receiver.states and receiver.infos, "retained status and info")
    assert receiver.states[0] == "online"
    assert (receiver.infos[0].pack, receiver.infos[0].backend) == ("leopard@1.0.0", "onnxruntime")


def test_info_is_told_anew_when_detect_runs_something_else(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    with receiving(broker) as receiver:
        start_uplink(linked)
        eventually(lambda: receiver.infos, "the first info")
        assert receiver.infos[-1].pack is None
        what = running("fox@2.0.0", ("tensorrt", "fp16"), "clip.mp4", NOON)
        stored.note(RUNNING, what.model_dump_json())
        eventually(lambda: receiver.infos[-1].pack == "fox@2.0.0", "the new info")


def test_a_stopped_uplink_says_so_and_its_will_stays_silent(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    assert stored.epoch
    with receiving(broker) as receiver:
        uplink = start_uplink(linked)
        eventually(lambda: "online" in receiver.states, "online")
        uplink.stop()
        eventually(lambda: "stopped" in receiver.states, "stopped")
    assert receiver.states == ["online", "stopped"]


def test_mqtt_3_1_1_delivers_too_where_it_is_asked_for(
    make_settings: Make, broker: Broker, start_uplink: StartUplink
) -> None:
    settings = make_settings(mqtt={"url": broker.url, "protocol": "3.1.1"})
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
        _emit(outbox, 0, 5)
        with receiving(broker):
            start_uplink(settings)
            eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert "p2, c0" in broker.log  # protocol 4 would be p4 in other versions; clean session off


def test_a_fresh_detection_wakes_the_uplink_long_before_its_poll(
    make_settings: Make, broker: Broker, start_uplink: StartUplink
) -> None:
    from edgeclip_device.wakeup import Bell

    settings = make_settings(mqtt={"url": broker.url}, uplink={"poll_s": 60.0})
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker),
        closing(Bell(settings.state)) as bell,
    ):
        uplink = start_uplink(settings)
        bell.ring()  # a poll of a minute also delays the first connection
        eventually(lambda: uplink.uplink.report.state == "online", "the connection")
        _emit(outbox, 0, 1)
        bell.ring()
        eventually(lambda: outbox.waiting() == (0, 0), "the receipt")


def test_the_uplink_holds_no_lock_while_it_waits(
    linked: DeviceSettings, stored: Outbox, start_uplink: StartUplink
) -> None:
    start_uplink(linked)
    _emit(stored, 0, 50)
    with closing(sqlite3.connect(linked.state / DATABASE_FILE, timeout=5)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    assert threading.active_count() > 1
