from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import running_broker
from support.certificates import Authority
from support.receivers import eventually, receiving
from support.samples import detection

pytestmark = [
    pytest.mark.broker,
    pytest.mark.filterwarnings(  # paho 2.2.0 leaves the socket of a failed handshake behind
        "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
    ),
]
Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


def _secure(make_settings: Make, authority: Authority, port: int) -> DeviceSettings:
    client = authority.issue("jetson-1")
    return make_settings(
        mqtt={
            "url": f"mqtts://localhost:{port}",
            "ca_file": authority.certificate,
            "certificate_file": client.certificate,
            "key_file": client.key,
        }
    )


def test_a_broker_whose_certificate_is_not_yet_valid_points_to_our_clock(
    make_settings: Make, tmp_path: Path, authority: Authority, start_uplink: StartUplink
) -> None:
    server = authority.issue("localhost", begins_in=timedelta(hours=6))
    with running_broker(tmp_path / "b", settings=server.mosquitto_lines(authority)) as broker:
        uplink = start_uplink(_secure(make_settings, authority, broker.port))
        eventually(lambda: uplink.uplink.report.error, "the failure")
        error = uplink.uplink.report.error
    assert error is not None
    assert "not yet valid" in error
    assert error.endswith("is our clock wrong?")


def test_a_device_that_was_revoked_does_not_get_in_and_loses_nothing(
    make_settings: Make, tmp_path: Path, authority: Authority, start_uplink: StartUplink
) -> None:
    server = authority.issue("localhost")
    device = authority.issue("jetson-1")
    authority.revoke(device)
    with running_broker(tmp_path / "b", settings=server.mosquitto_lines(authority)) as broker:
        settings = make_settings(
            mqtt={
                "url": f"mqtts://localhost:{broker.port}",
                "ca_file": authority.certificate,
                "certificate_file": device.certificate,
                "key_file": device.key,
            }
        )
        with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
            outbox.emit(detection())
            uplink = start_uplink(settings)
            eventually(lambda: uplink.uplink.report.error, "the failure")
            assert uplink.uplink.report.connections == 0
            assert outbox.waiting() == (1, 0)


@pytest.mark.slow
def test_a_dashboard_that_is_away_for_longer_than_the_brokers_queue_gets_all_in_the_end(
    make_settings: Make, tmp_path: Path, start_uplink: StartUplink
) -> None:
    lines = ("max_queued_messages 10", "max_inflight_messages 10")
    with running_broker(tmp_path / "b", settings=lines) as broker:
        settings = make_settings(mqtt={"url": broker.url})
        with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
            with receiving(broker):
                pass  # its session stays with the broker
            uplink = start_uplink(settings)
            ids = [f"018bcfe5-6800-79d7-baa4-{n:012x}" for n in range(40)]
            for item in ids:
                outbox.emit(detection(detection_id=item))
            eventually(lambda: uplink.uplink.counts.sent >= 40, "all of them with the broker")
            with receiving(broker) as receiver:
                eventually(lambda: outbox.waiting() == (0, 0), "all receipts", patience_s=90)
    assert receiver.keys() == {(item, 0) for item in ids}
