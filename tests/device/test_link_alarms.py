from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from edgeclip_device.alarms import opened_alarms
from edgeclip_device.backlog import Backlog
from edgeclip_device.backoff import LinkTiming
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.credentials import Credentials
from edgeclip_device.link_alarms import LinkAlarms
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, running_broker
from support.receivers import eventually, receiving
from support.samples import detection

Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]
QUICK = LinkTiming(stable_s=0.3, login_s=0.2, twin_s=0.5)
CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK_REFUSED = b"\x90\x04\x00\x01\x00\x87"


def _standing(settings: DeviceSettings) -> dict[str, str]:
    with opened_alarms(settings.state, SystemClock()) as alarms:
        return {code: alarm.detail for code, alarm in alarms.standing().items()}


@pytest.mark.broker
def test_a_refused_login_is_an_alarm_that_ends_when_a_connection_stands(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    lines = (f"password_file {passwords}", "allow_anonymous false")
    wrong = Credentials(username="jetson-1", password=SecretStr("hunter2"))
    with running_broker(tmp_path / "b", settings=lines) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        start_uplink(settings, wrong, timing=QUICK)
        eventually(lambda: "auth_failed" in _standing(settings), "the alarm")
        assert "the login: Not authorized: check its ACL" in _standing(settings)["auth_failed"]
        broker.stop()
        broker.settings = ()
        broker.start()
        eventually(lambda: "auth_failed" not in _standing(settings), "its end")


@pytest.mark.broker
def test_a_message_that_the_acl_refuses_is_an_alarm_which_the_broker_retains(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write edgeclip/v1/demo/jetson-1/up/alarm/#\n")
    with running_broker(tmp_path / "b", settings=(f"acl_file {acl}",)) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with (
            closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
            receiving(broker) as receiver,
        ):
            outbox.emit(detection())
            start_uplink(settings, timing=QUICK)
            eventually(lambda: "auth_failed" in receiver.alarms(), "the alarm")
            assert "up/detection/alert: Not authorized" in receiver.alarms()["auth_failed"]


def test_a_refused_subscription_is_an_alarm(make_settings: Make, start_uplink: StartUplink) -> None:
    with _refusing_subscriptions() as url:
        settings = make_settings(mqtt={"url": url})
        start_uplink(settings, timing=QUICK)
        eventually(lambda: "auth_failed" in _standing(settings), "the alarm")
    assert "the subscription to down/#: Not authorized" in _standing(settings)["auth_failed"]


@pytest.mark.broker
def test_two_devices_of_one_id_are_an_alarm_until_there_is_one(
    make_settings: Make, broker: Broker, tmp_path: Path, start_uplink: StartUplink
) -> None:
    timing = LinkTiming(stable_s=3.0, login_s=0.2, twin_s=0.5)
    settings = make_settings(mqtt={"url": broker.url})
    start_uplink(settings, timing=timing)
    twin = start_uplink(
        make_settings(mqtt={"url": broker.url}, state=tmp_path / "other"), timing=timing
    )
    eventually(lambda: "duplicate_client_id" in _standing(settings), "the alarm")
    twin.stop()
    eventually(lambda: "duplicate_client_id" not in _standing(settings), "its end")


@pytest.mark.broker
def test_a_row_that_the_dashboard_refuses_is_an_alarm_of_losses(
    linked: DeviceSettings, stored: Outbox, broker: Broker, start_uplink: StartUplink
) -> None:
    stored.emit(detection())
    with receiving(broker, refuses=frozenset({1})) as receiver:
        start_uplink(linked)
        eventually(lambda: "outbox_dropping" in receiver.alarms(), "the alarm")
        assert receiver.alarms()["outbox_dropping"].startswith("dropped so far: 1 refused")


def test_an_hour_without_a_loss_ends_the_alarm_and_a_restart_does_not_raise_it(
    linked: DeviceSettings, stored: Outbox
) -> None:
    stored._settings = linked.outbox.model_copy(update={"max_rows": 10})
    now = [0.0]
    with closing(Backlog(linked.state)) as backlog:
        alarms = LinkAlarms(backlog, "jetson-1", QUICK, lambda: now[0])
        for n in range(11):
            stored.emit(detection(detection_id=f"018bcfe5-6800-79d7-baa4-{n:012x}"))
        alarms.losses()
        assert "1 alert" in backlog.alarms.standing()["outbox_dropping"].detail
        now[0] = 3599.0
        alarms.losses()
        assert backlog.alarms.standing()
        now[0] = 3600.0
        alarms.losses()
        assert not backlog.alarms.standing()
        LinkAlarms(backlog, "jetson-1", QUICK, lambda: now[0]).losses()
        assert not backlog.alarms.standing()


@contextmanager
def _refusing_subscriptions() -> Iterator[str]:
    """Yield the URL of a broker that lets everyone in and grants no subscription."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,))
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            visitor, _ = server.accept()
        except OSError:
            return
        with visitor:
            visitor.recv(2000)
            visitor.sendall(CONNACK + SUBACK_REFUSED)
            visitor.settimeout(2)
            try:
                while visitor.recv(2000):
                    pass
            except OSError:
                continue
