from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import dashboard_status
from edgeclip.errors import ConfigError, OutboxError, PublishError, SetupError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, MediaSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.media import encode
from edgeclip_device.outbox import Attachment, Outbox
from edgeclip_device.outbox_status import read_status
from edgeclip_device.running import RUNNING, running
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, free_port, running_broker
from support.clocks import NOON
from support.drawn_clips import ground
from support.receivers import eventually, receiving
from support.samples import detection

pytestmark = pytest.mark.broker

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(300)]
Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]


@pytest.fixture
def settings(make_settings: Make, broker: Broker) -> DeviceSettings:
    """Settings with the running broker."""
    return make_settings(mqtt={"url": broker.url, "will_delay_s": 0})


@pytest.fixture
def outbox(settings: DeviceSettings) -> Iterator[Outbox]:
    """An empty outbox."""
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as opened:
        yield opened


@pytest.fixture
def start_uplink() -> Iterator[StartUplink]:
    """Starts uplinks in threads, and stops them at the end."""
    with ExitStack() as stack:

        def start(settings: DeviceSettings, credentials: Credentials | None = None) -> UplinkThread:
            thread = UplinkThread(settings, credentials or Credentials())
            thread.start()
            stack.callback(thread.stop)
            return thread

        yield start


def _emit(outbox: Outbox, first: int, last: int) -> None:
    for item in IDS[first:last]:
        outbox.emit(detection(detection_id=item))


def test_detections_and_media_arrive_and_leave_the_disk_at_the_receipt(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    snapshot = encode(ground(), "full", MediaSettings())
    outbox.emit(detection(detection_id=IDS[0]), [Attachment(0, snapshot)])
    _emit(outbox, 1, 30)
    with receiving(broker) as receiver:
        start_uplink(settings)
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert receiver.keys() == {(item, 0) for item in IDS[:30]}
    assert receiver.media == {snapshot.sha256: snapshot.data}
    assert list(outbox.media_folder.iterdir()) == []


def test_without_a_receipt_the_row_stays_and_is_sent_again(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    _emit(outbox, 0, 2)
    with receiving(broker, gives_receipts=False) as receiver:
        start_uplink(settings)
        eventually(lambda: receiver.duplicates() >= 2, "both again")
        assert outbox.waiting() == (2, 0)
        receiver.gives_receipts = True
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")


def test_a_broker_that_takes_messages_for_nobody_is_no_delivery(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    _emit(outbox, 0, 3)
    uplink = start_uplink(settings)
    eventually(lambda: uplink.uplink.counts.resent >= 1, "sent again")
    assert outbox.waiting() == (3, 0)
    assert read_status(settings.state).refused == {"No matching subscribers": 3}
    with receiving(broker):
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")


def test_a_row_that_the_dashboard_refuses_is_dropped_and_blocks_nothing(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    _emit(outbox, 0, 3)
    with receiving(broker, refuses=frozenset({2})) as receiver:
        uplink = start_uplink(settings)
        eventually(lambda: outbox.waiting() == (0, 0), "an empty outbox")
    assert receiver.keys() == {(IDS[0], 0), (IDS[2], 0)}
    assert uplink.uplink.counts.refused_by_dashboard == 1
    assert [(d.kind, d.count) for d in read_status(settings.state).dropped] == [("refused", 1)]


def test_status_and_info_are_retained_and_say_what_runs(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    what = running("leopard@1.0.0", ("onnxruntime", "fp32"), "/dev/video0", NOON)
    outbox.note(RUNNING, what.model_dump_json())
    uplink = start_uplink(settings)
    eventually(lambda: uplink.uplink.report.state == "online", "the connection")
    with receiving(broker) as receiver:
        eventually(lambda: receiver.states and receiver.infos, "retained status and info")
    assert receiver.states[0] == "online"
    assert (receiver.infos[0].pack, receiver.infos[0].backend) == ("leopard@1.0.0", "onnxruntime")


def test_info_is_told_anew_when_detect_runs_something_else(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    with receiving(broker) as receiver:
        start_uplink(settings)
        eventually(lambda: receiver.infos, "the first info")
        assert receiver.infos[-1].pack is None
        what = running("fox@2.0.0", ("tensorrt", "fp16"), "clip.mp4", NOON)
        outbox.note(RUNNING, what.model_dump_json())
        eventually(lambda: receiver.infos[-1].pack == "fox@2.0.0", "the new info")


def test_a_stopped_uplink_says_so_and_its_will_stays_silent(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    assert outbox.epoch
    with receiving(broker) as receiver:
        uplink = start_uplink(settings)
        eventually(lambda: "online" in receiver.states, "online")
        uplink.stop()
        eventually(lambda: "stopped" in receiver.states, "stopped")
    assert receiver.states == ["online", "stopped"]


def test_the_broker_may_come_late(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    broker = Broker(tmp_path / "late", port=free_port())
    settings = make_settings(mqtt={"url": broker.url})
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
        _emit(outbox, 0, 5)
        uplink = start_uplink(settings)
        eventually(lambda: uplink.uplink.report.error, "the first failure")
        broker.start()
        try:
            with receiving(broker):
                eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
        finally:
            broker.stop()


@pytest.mark.parametrize("persistence", [False, True])
def test_a_broker_killed_in_the_middle_loses_nothing(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink, persistence: bool
) -> None:
    with running_broker(tmp_path / "b", persistence=persistence) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with (
            closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
            receiving(broker) as receiver,
        ):
            start_uplink(settings)
            for part in range(3):
                _emit(outbox, part * 60, part * 60 + 60)
                eventually(lambda: len(receiver.keys()) > 0, "the first")
                broker.restart()
            eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert receiver.keys() == {(item, 0) for item in IDS[:180]}


def test_a_dashboard_that_comes_back_gets_at_once_what_it_missed(
    make_settings: Make, broker: Broker, start_uplink: StartUplink
) -> None:
    settings = make_settings(mqtt={"url": broker.url}, uplink={"resend_s": 3600.0})
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker, gives_receipts=False) as receiver,
    ):
        topic = dashboard_status(settings.project)
        first, second = (Status(state="online", since=NOON, bdseq=n).to_json() for n in (1, 2))
        receiver.publish(topic, first, retain=True)
        _emit(outbox, 0, 3)
        uplink = start_uplink(settings)
        eventually(lambda: len(receiver.keys()) == 3, "all three once")
        eventually(lambda: uplink.uplink._dashboard is not None, "the dashboard's status")
        assert uplink.uplink.counts.sent == 3
        receiver.gives_receipts = True
        receiver.publish(topic, second, retain=True)
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")


def test_a_publish_that_the_acl_refuses_is_seen_and_the_row_stays(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write edgeclip/v1/demo/jetson-1/up/status\n")
    with running_broker(tmp_path / "b", settings=(f"acl_file {acl}",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
            _emit(outbox, 0, 1)
            uplink = start_uplink(settings)
            eventually(lambda: uplink.uplink.counts.refused_by_broker, "the refusal")
            assert outbox.waiting() == (1, 0)
    assert "the broker refuses row 1: Not authorized: check its ACL" in caplog.text


def test_a_wrong_password_is_said_at_once_and_waiting_for_receipts_ends(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    lines = (f"password_file {passwords}", "allow_anonymous false")
    with running_broker(tmp_path / "b", settings=lines) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        wrong = Credentials(username="jetson-1", password=SecretStr("hunter2"))
        uplink = start_uplink(settings, wrong)
        with pytest.raises(PublishError, match="EDGECLIP_MQTT_PASSWORD") as caught:
            uplink.wait_until(lambda: False, 30)
    assert "hunter2" not in str(caught.value)


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


def test_the_detections_of_an_outbox_that_detect_began_anew_go_out(
    settings: DeviceSettings, outbox: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    _emit(outbox, 0, 1)
    with receiving(broker) as receiver:
        start_uplink(settings)
        eventually(lambda: outbox.waiting() == (0, 0), "the first receipt")
        outbox.close()
        (settings.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
        (settings.state / f"{DATABASE_FILE}-wal").unlink()
        with closing(Outbox(settings.state, settings.outbox, SystemClock())) as fresh:
            _emit(fresh, 1, 3)
            eventually(lambda: fresh.waiting() == (0, 0), "receipts of the new epoch")
    assert receiver.keys() == {(item, 0) for item in IDS[:3]}
    assert len({item.epoch for item in receiver.detections.values()}) == 2


def test_a_second_uplink_on_the_same_outbox_is_refused(
    settings: DeviceSettings, outbox: Outbox, start_uplink: StartUplink
) -> None:
    assert outbox.epoch
    start_uplink(settings)
    with pytest.raises(SetupError, match="another uplink"):
        start_uplink(settings)


def test_a_damaged_outbox_is_an_error_and_left_to_detect(
    settings: DeviceSettings, start_uplink: StartUplink
) -> None:
    settings.state.mkdir()
    (settings.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
    with pytest.raises(OutboxError, match="detect has set a damaged one aside"):
        start_uplink(settings)


def test_without_a_broker_it_says_where_to_name_one(
    make_settings: Make, start_uplink: StartUplink
) -> None:
    with pytest.raises(ConfigError, match=r"\[mqtt\]\.url is missing"):
        start_uplink(make_settings())


def test_an_id_that_two_devices_share_is_said_also_by_a_broker_that_says_nothing(
    make_settings: Make, broker: Broker, tmp_path: Path, start_uplink: StartUplink,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first = start_uplink(make_settings(mqtt={"url": broker.url}))
    eventually(lambda: first.uplink.report.state == "online", "the first")
    start_uplink(make_settings(mqtt={"url": broker.url}, state=tmp_path / "other"))
    eventually(lambda: "does another client use our id 'jetson-1'" in caplog.text, "the word")


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
    settings: DeviceSettings, outbox: Outbox, start_uplink: StartUplink
) -> None:
    start_uplink(settings)
    _emit(outbox, 0, 50)
    with closing(sqlite3.connect(settings.state / DATABASE_FILE, timeout=5)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    assert threading.active_count() > 1
