from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgeclip_dashboard.config import BrokerSettings, Credentials
from edgeclip_dashboard.health import LinkState
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.mqtt import BrokerLink
from edgeclip_dashboard.mqtt_client import LinkConfig
from edgeclip_dashboard.subscriptions import alone
from support.brokers import Broker, free_port, running_broker
from support.dashboards import (
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
    sample,
)


@contextmanager
def embedded_broker() -> Iterator[str]:
    """Yield the address of a running `edgeclip-dashboard broker`."""
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", "broker", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.split("--broker ")[1].split()[0]
        finally:
            process.terminate()


def test_the_embedded_broker_carries_detections_media_and_receipts(tmp_path: Path) -> None:
    with (
        embedded_broker() as url,
        running_dashboard(tmp_path, url, "--protocol", "3.1.1") as dashboard,
    ):
        dashboard.wait_online()
        with field_device(url, protocol="3.1.1") as device:
            data = jpeg()
            detection = sample(seq=1, media=[media_ref(data)])
            device.send(detection)
            device.send_media(detection, data)
            eventually(lambda: device.is_receipted(1), what="the row is receipted")
            eventually(lambda: [r for r in device.seen() if r.media], what="so is the snapshot")
        assert [row["rev"] for row in dashboard.detections()] == [0]
        assert dashboard.stop() == 0


@pytest.mark.broker
def test_two_dashboards_of_one_name_are_told_of_one_another(tmp_path: Path) -> None:
    west, east = tmp_path / "west", tmp_path / "east"
    west.mkdir()
    east.mkdir()
    with (
        running_broker(tmp_path) as broker,
        running_dashboard(west, broker.url) as first,
        running_dashboard(east, broker.url) as second,
    ):
        told = "does another dashboard run as dashboard? Give each a --dashboard-id of its own"
        eventually(
            lambda: any(told in line for each in (first, second) for line in each.errors),
            what="one of them says why it is thrown out",
            patience_s=60,
        )


def test_a_broker_without_mqtt_5_is_an_error_that_is_shown(tmp_path: Path) -> None:
    with embedded_broker() as url, running_dashboard(tmp_path, url) as dashboard:
        error = eventually(lambda: dashboard.health()["link"]["error"], what="the error is shown")
        assert "--protocol 3.1.1" in error
        assert dashboard.health()["status"] == "degraded"


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "broker.pem", folder / "broker.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[tuple[Broker, Path, int]]:
    """A broker with a second, encrypted listener: the broker, its certificate, the port."""
    certificate, key = _certificate(tmp_path)
    port = free_port()
    settings = (
        f"listener {port} 127.0.0.1",
        f"certfile {certificate}",
        f"keyfile {key}",
        f"cafile {certificate}",
    )
    with running_broker(tmp_path / "broker", settings=settings) as broker:
        yield broker, certificate, port


@pytest.mark.broker
def test_an_encrypted_link_is_used_with_the_given_authority(
    tmp_path: Path, tls_broker: tuple[Broker, Path, int]
) -> None:
    broker, certificate, port = tls_broker
    config = tmp_path / "dashboard.toml"
    config.write_text(f'[broker]\nca_file = "{certificate}"\n')
    address = f"mqtts://localhost:{port}"
    with running_dashboard(tmp_path, address, "--config", str(config)) as dashboard:
        dashboard.wait_online()
        with field_device(broker.url) as device:
            device.send(sample(seq=1))
            eventually(lambda: device.is_receipted(1), what="the row is receipted")


@pytest.mark.broker
def test_an_unknown_authority_is_refused_and_shown(
    tmp_path: Path, tls_broker: tuple[Broker, Path, int]
) -> None:
    address = f"mqtts://localhost:{tls_broker[2]}"
    with running_dashboard(tmp_path, address) as dashboard:
        error = eventually(lambda: dashboard.health()["link"]["error"], what="an error is shown")
    assert ssl.SSLCertVerificationError.__name__ in error or "certificate verify failed" in error


@pytest.mark.broker
def test_what_does_not_fit_the_inbox_is_delivered_again(tmp_path: Path) -> None:
    inbox = Inbox(most_messages=5)
    states: list[LinkState] = []
    with running_broker(tmp_path / "broker") as broker:
        settings = BrokerSettings(url=broker.url)
        config = LinkConfig(settings, "demo", "dashboard", Credentials(), alone("demo"))
        link = BrokerLink(config, inbox, states.append)
        link.start()
        eventually(lambda: link.is_online, what="the link is up")
        with field_device(broker.url) as device:
            for seq in range(1, 21):
                device.send(sample(seq=seq))
        arrived: set[int] = set()

        def take() -> bool:
            for delivery in inbox.take(5, wait_s=0.1):
                arrived.add(json.loads(delivery.payload)["seq"])
                delivery.acknowledge()
            return len(arrived) == 20

        eventually(take, what="all have arrived", patience_s=60)
        link.stop()
    assert inbox.dropped > 0
    assert states[-1].name == "stopped"


@pytest.mark.broker
def test_an_acknowledgement_of_an_ended_connection_reaches_nobody(tmp_path: Path) -> None:
    inbox = Inbox()
    with running_broker(tmp_path / "broker") as broker, field_device(broker.url) as device:
        config = LinkConfig(
            BrokerSettings(url=broker.url), "demo", "dashboard", Credentials(), alone("demo")
        )
        with _link(config, inbox):
            device.send(sample(seq=1))
            [first] = inbox.take(1, wait_s=10)
        with _link(config, inbox):
            first.acknowledge()
            [again] = inbox.take(1, wait_s=10)
            again.acknowledge()
    assert again.payload == first.payload


@contextmanager
def _link(config: LinkConfig, inbox: Inbox) -> Iterator[BrokerLink]:
    """Yield a link that is up, and stop it."""
    link = BrokerLink(config, inbox, lambda _: None)
    link.start()
    try:
        eventually(lambda: link.is_online, what="the link is up")
        yield link
    finally:
        link.stop()
