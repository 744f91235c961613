from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from edgeclip.contract.receipts import Receipt
from edgeclip.contract.reports import Status
from edgeclip.contract.topics import DeviceTopics, dashboard_status
from edgeclip.errors import ConfigError, PublishError, SetupError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.database import DATABASE_FILE
from edgeclip_device.events import StopAsked, Woken
from edgeclip_device.notify import Notifier
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink import Uplink
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, free_port, running_broker
from support.clocks import NOON
from support.receivers import eventually, receiving
from support.samples import detection

pytestmark = pytest.mark.broker

IDS = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(300)]
Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]


def _emit(outbox: Outbox, first: int, last: int) -> None:
    for item in IDS[first:last]:
        outbox.emit(detection(detection_id=item))


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


def test_while_the_dashboard_is_offline_alerts_go_once_and_the_backlog_waits(
    make_settings: Make, broker: Broker, start_uplink: StartUplink
) -> None:
    settings = make_settings(mqtt={"url": broker.url}, uplink={"resend_s": 0.2})
    topic = dashboard_status(settings.project)
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker, gives_receipts=False) as receiver,
    ):
        away = Status(state="offline", since=None, bdseq=1).to_json()
        receiver.publish(topic, away, retain=True)
        uplink = start_uplink(settings)
        eventually(lambda: uplink.uplink._dashboard.is_away, "the dashboard's will")
        for item in IDS[:5]:
            news = detection(detection_id=item).model_copy(update={"severity": "routine"})
            outbox.emit(news)
        _emit(outbox, 5, 8)
        eventually(lambda: len(receiver.keys()) == 3, "the alerts")
        time.sleep(1.5)  # four times the resend time
        assert receiver.keys() == {(item, 0) for item in IDS[5:8]}
        assert receiver.duplicates() == 0
        receiver.gives_receipts = True
        receiver.publish(topic, Status(state="online", since=NOON, bdseq=2).to_json(), retain=True)
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert receiver.keys() == {(item, 0) for item in IDS[:8]}


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


def test_the_detections_of_an_outbox_that_detect_began_anew_go_out(
    linked: DeviceSettings,
    stored: Outbox,
    broker: Broker,
    start_uplink: StartUplink,
) -> None:
    _emit(stored, 0, 1)
    with receiving(broker) as receiver:
        start_uplink(linked)
        eventually(lambda: stored.waiting() == (0, 0), "the first receipt")
        stored.close()
        (linked.state / DATABASE_FILE).write_bytes(b"rubbish" * 1000)
        (linked.state / f"{DATABASE_FILE}-wal").unlink()
        with closing(Outbox(linked.state, linked.outbox, SystemClock())) as fresh:
            _emit(fresh, 1, 3)
            eventually(lambda: fresh.waiting() == (0, 0), "receipts of the new epoch")
    assert receiver.keys() == {(item, 0) for item in IDS[:3]}
    assert len({item.epoch for item in receiver.detections.values()}) == 2


def test_a_second_uplink_on_the_same_outbox_is_refused(
    linked: DeviceSettings, stored: Outbox, start_uplink: StartUplink
) -> None:
    assert stored.epoch
    start_uplink(linked)
    with pytest.raises(SetupError, match="another uplink"):
        start_uplink(linked)


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


def test_a_retained_receipt_takes_nothing(
    linked: DeviceSettings, stored: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    _emit(stored, 0, 1)
    with receiving(broker, gives_receipts=False) as receiver:
        start_uplink(linked)
        eventually(lambda: receiver.payloads, "the row is sent")
        receipt = Receipt(dashboard_id="d", epoch=stored.epoch, received_upto=10).to_json()
        topic = DeviceTopics(linked.project, linked.device_id).receipt
        receiver.publish(topic, receipt, retain=True)
        known = len(receiver.payloads)
        eventually(lambda: len(receiver.payloads) > known, "the row is sent again")
        assert stored.waiting() == (1, 0)
        receiver.publish(topic, receipt)
        eventually(lambda: stored.waiting() == (0, 0), "the same one, not retained")


def test_a_flood_of_messages_does_not_keep_the_uplink_from_its_work(make_settings: Make) -> None:
    settings = make_settings(mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"})
    uplink = Uplink(settings, Credentials(), clock=SystemClock(), notifier=Notifier())
    for _ in range(1000):
        uplink.events.put(Woken())
    uplink.events.put(StopAsked())
    uplink.run()
    assert uplink.report.state != "offline" or uplink.report.error, "it never tried to connect"
