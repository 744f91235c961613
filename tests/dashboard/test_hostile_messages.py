"""Oversized, malformed and endless messages: refused, counted, and in nobody's way."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from edgeclip.contract.detection import MOST_BYTES
from support.brokers import Broker
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
)

pytestmark = pytest.mark.broker

DEEP = b"[" * 100_000
BILLION = b'{"schema": "edgeclip.detection/1", "rev": ' + b"9" * 5000 + b"}"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        yield running


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def device(broker: Broker, numbers: Iterator[int]) -> Iterator[FieldDevice]:
    with field_device(broker.url, f"jetson-{next(numbers)}") as connected:
        yield connected


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff" * 500, id="bytes"),
        pytest.param(DEEP, id="deep"),
        pytest.param(BILLION, id="a number without end"),
        pytest.param(b'"' + b"a" * 5_000_000 + b'"', id="five megabytes"),
        pytest.param(json.dumps({"schema": "edgeclip.detection/1"}).encode(), id="no fields"),
        pytest.param(b'{"a": NaN, "a": Infinity}', id="no JSON"),
        pytest.param("\ud800".encode("utf-8", "surrogatepass"), id="no UTF-8"),
    ],
)
@pytest.mark.parametrize("kind", ["detection/alert", "status", "info", "health", "alarm/disk_low",
                                  "log", "clockfix", "reply/x"])  # fmt: skip
def test_rubbish_on_any_topic_stops_nothing(
    dashboard: Dashboard, device: FieldDevice, kind: str, payload: bytes
) -> None:
    device.publish(f"{device.topics.prefix}/up/{kind}", payload)
    device.send(device.sample(seq=1))
    eventually(lambda: device.is_receipted(1), what="the next detection is receipted")
    health = dashboard.health()
    assert health["status"] == "ok"
    assert health["since_start"]["restarts"] == 0


def test_a_detection_above_the_contracts_size_is_kept_as_malformed(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    before = dashboard.health()["since_start"]["malformed"]
    document = json.loads(device.sample(seq=1).to_json())
    padded = json.dumps(document | {"padding": "x" * MOST_BYTES}).encode()
    device.publish(device.topics.detection("alert"), padded)
    eventually(
        lambda: dashboard.health()["since_start"]["malformed"] == before + 1, what="it is counted"
    )
    mine = device.topics.device_id
    assert [row for row in dashboard.detections() if row["device_id"] == mine] == []


@pytest.mark.parametrize(
    "name",
    ["../../escaped", "..%2f..%2fescaped", "0", "%00"],
)
def test_media_of_a_name_that_leads_elsewhere_is_written_nowhere(
    dashboard: Dashboard, device: FieldDevice, name: str
) -> None:
    before = set(dashboard.folder.rglob("*"))
    for topic in (f"{name}/0", f"{name}/1-2", f"{name}/0/1-2"):
        device.publish(f"{device.topics.prefix}/up/media/{topic}", jpeg())
    device.send(device.sample(seq=1))
    eventually(lambda: device.is_receipted(1), what="receiving goes on")
    new = set(dashboard.folder.rglob("*")) - before
    assert [path for path in new if "escaped" in str(path) or path.suffix == ".jpg"] == []
    assert not (dashboard.folder.parent / "escaped").exists()


def test_media_above_the_bound_are_refused(dashboard: Dashboard, device: FieldDevice) -> None:
    data = jpeg()
    large = data[:-2] + b"\x00" * 2_100_000 + data[-2:]
    detection = device.sample(seq=1, media=[media_ref(large)])
    device.send(detection)
    device.send_media(detection, large)
    device.send(device.sample(seq=2))
    eventually(lambda: device.is_receipted(2), what="receiving goes on")
    assert not any(receipt.media for receipt in device.seen())
    assert dashboard.health()["status"] == "ok"
