from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import ConfigError, PublishError
from edgeclip_device.config import MqttSettings, load_settings
from edgeclip_device.credentials import Credentials
from edgeclip_device.events import (
    Answered,
    Arrived,
    Connected,
    Disconnected,
    LinkEvent,
    Subscribed,
)
from edgeclip_device.mqtt import EventQueue, Link, LinkConfig, Will, tls_context
from support.brokers import Broker, free_port, running_broker
from support.certificates import Authority
from support.receivers import eventually

WILL = Will("edgeclip/v1/demo/jetson-1/up/status", b"offline")
CONNACK = b"\x20\x03\x00\x00\x00"
TAKEN_OVER = b"\xe0\x02\x8e\x00"


@contextmanager
def _link(settings: MqttSettings) -> Iterator[tuple[Link, EventQueue]]:
    events: EventQueue = queue.SimpleQueue()
    link = Link(LinkConfig(settings, Credentials(), "jetson-1"), 7, events)
    link.connect(WILL)
    try:
        yield link, events
    finally:
        link.close()
        for thread in threading.enumerate():
            if thread.name == "dial":
                thread.join(20)


def _next(events: EventQueue) -> LinkEvent:
    event = events.get(timeout=20)
    assert getattr(event, "link_id", None) == 7
    return event.event  # type: ignore[union-attr]  # asserted above


@pytest.mark.broker
def test_a_publish_is_answered_with_its_number(broker: Broker) -> None:
    with _link(MqttSettings(url=broker.url)) as (link, events):
        assert _next(events) == Connected(session_present=False)
        mid = link.publish("edgeclip/v1/demo/jetson-1/up/info", b"{}")
        answer = _next(events)
    assert isinstance(answer, Answered)
    assert (answer.mid, answer.reason) == (mid, "No matching subscribers")


@pytest.mark.broker
def test_the_session_is_still_there_after_a_new_connection(broker: Broker) -> None:
    for known in (False, True):
        with _link(MqttSettings(url=broker.url)) as (_, events):
            assert _next(events) == Connected(session_present=known)


def _connections(broker: Broker) -> int:
    """Return how many of our connections stand, by the broker's log."""
    log = broker.log
    return log.count(" as jetson-1 (") - len(re.findall(r"Client jetson-1 .*(disconn|clos)", log))


def _network_threads() -> list[threading.Thread]:
    return [item for item in threading.enumerate() if item.name.startswith("paho")]


def test_publishing_without_a_connection_is_refused_and_queues_nothing() -> None:
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}")
    with _link(settings) as (link, _), pytest.raises(PublishError, match="no connection"):
        link.publish("a", b"b")


def test_a_broker_that_is_not_there_is_an_event_and_no_error() -> None:
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}")
    with _link(settings) as (_, events):
        event = _next(events)
    assert isinstance(event, Disconnected)
    assert "cannot connect" in event.reason


def test_a_session_that_was_taken_over_says_so_by_its_code() -> None:
    with _answering(CONNACK + TAKEN_OVER) as url, _link(MqttSettings(url=url)) as (_, events):
        assert isinstance(_next(events), Connected)
        event = _next(events)
    assert isinstance(event, Disconnected)
    assert event.code == 0x8E


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 50, b""])
def test_something_else_than_a_broker_is_a_lost_connection(answer: bytes) -> None:
    with _answering(answer) as url, _link(MqttSettings(url=url)) as (_, events):
        assert isinstance(_next(events), Disconnected)


@pytest.mark.broker
def test_a_link_that_is_closed_while_it_connects_stays_closed(broker: Broker) -> None:
    with _link(MqttSettings(url=broker.url)) as (link, _):
        link.close()
        assert not link.is_connected()
        with pytest.raises(PublishError, match="no connection"):
            link.publish("a", b"b")
    eventually(lambda: not _network_threads(), "paho's thread has ended")
    eventually(lambda: _connections(broker) == 0, "the broker has none of us")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the tests' own."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.broker
def test_mutual_tls_connects(tmp_path: Path, authority: Authority) -> None:
    server, client = authority.issue("localhost"), authority.issue("jetson-1")
    with running_broker(tmp_path / "b", settings=server.mosquitto_lines(authority)) as broker:
        settings = MqttSettings(
            url=f"mqtts://localhost:{broker.port}",
            ca_file=authority.certificate,
            certificate_file=client.certificate,
            key_file=client.key,
        )
        with _link(settings) as (_, events):
            assert isinstance(_next(events), Connected)


@pytest.mark.broker
@pytest.mark.filterwarnings(  # paho 2.2.0 leaves the socket of a failed handshake to the collector
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_with_a_strangers_certificate_is_not_believed(
    tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    server = stranger.issue("localhost")
    with running_broker(tmp_path / "b", settings=server.mosquitto_lines(stranger)) as broker:
        settings = MqttSettings(
            url=f"mqtts://localhost:{broker.port}", ca_file=authority.certificate
        )
        with _link(settings) as (_, events):
            event = _next(events)
    assert isinstance(event, Disconnected)
    assert "CERTIFICATE_VERIFY_FAILED" in event.reason


def test_a_key_that_systemd_hands_over_is_used_and_the_file_need_not_be_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = Authority(tmp_path).issue("jetson-1")
    handed = tmp_path / "credentials"
    handed.mkdir()
    (handed / "mqtt-key").write_bytes(issued.key.read_bytes())
    issued.key.write_text("of root alone")
    settings = MqttSettings(
        url="mqtts://127.0.0.1", certificate_file=issued.certificate, key_file=issued.key
    )
    with pytest.raises(ConfigError, match="`install` again, which hands the key over"):
        tls_context(settings)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert tls_context(settings).verify_mode.name == "CERT_REQUIRED"


def test_a_certificate_file_that_holds_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = MqttSettings(url="mqtts://broker", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match="the certificates cannot be used"):
        tls_context(settings)


@contextmanager
def _answering(data: bytes) -> Iterator[str]:
    """Yield the URL of a server that gives every visitor the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=_answer_once, args=(server, data))
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def _answer_once(server: socket.socket, data: bytes) -> None:
    visitor, _ = server.accept()
    with visitor:
        visitor.recv(1000)
        visitor.sendall(data)


@pytest.mark.broker
def test_a_message_that_is_larger_than_all_of_ours_does_not_reach_us(broker: Broker) -> None:
    topic = "edgeclip/v1/demo/jetson-1/down/receipt"
    with _link(MqttSettings(url=broker.url)) as (link, events):
        assert isinstance(_next(events), Connected)
        link.subscribe(topic)
        assert isinstance(_next(events), Subscribed)
        link.publish(topic, bytes(300_000))
        link.publish(topic, bytes(200_000))
        arrived = _arrived(events)
    assert [len(item.payload) for item in arrived] == [200_000]


def _arrived(events: EventQueue) -> list[Arrived]:
    """Return what came until both messages were answered, and a little after."""
    arrived: list[Arrived] = []
    answered = 0
    while answered < 2 or not arrived:
        event = _next(events)
        answered += isinstance(event, Answered)
        if isinstance(event, Arrived):
            arrived.append(event)
    return arrived


@pytest.mark.parametrize(
    ("tables", "days"),
    [
        pytest.param({}, 7, id="continuous"),
        pytest.param({"power": {"mode": "windowed", "windows": ["05:00-09:30"]}}, 14, id="rests"),
        pytest.param({"mqtt": {"session_expiry_s": 86_400}}, 1, id="asked for"),
    ],
)
def test_the_broker_is_asked_to_keep_the_session_for_as_long_as_a_device_rests(
    tables: dict[str, Any], days: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        mqtt = {**tables.get("mqtt", {}), "url": f"mqtt://127.0.0.1:{server.getsockname()[1]}"}
        settings = load_settings(None, {**tables, "mqtt": mqtt})
        with _link(settings.link):
            connection, _ = server.accept()
            with connection:
                connect = connection.recv(1000)
    assert b"\x11" + (days * 86_400).to_bytes(4, "big") in connect
