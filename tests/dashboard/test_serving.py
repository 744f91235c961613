from __future__ import annotations

import http.client
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.reports import Status
from support.brokers import Broker, running_broker
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
)
from support.samples import AT, EPOCH

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, shared_broker: Broker
) -> Iterator[Dashboard]:
    """One for all tests that harm nothing; each has a device of its own."""
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), shared_broker.url) as running:
        running.wait_online()
        yield running


@pytest.fixture
def device(shared_broker: Broker, numbers: Iterator[int]) -> Iterator[FieldDevice]:
    with field_device(shared_broker.url, f"jetson-{next(numbers)}") as connected:
        yield connected


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


def _of(dashboard: Dashboard, device: FieldDevice) -> list[dict[str, Any]]:
    """Return the stored detections of a device."""
    mine = device.topics.device_id
    return [stored for stored in dashboard.detections() if stored["device_id"] == mine]


def _malformed(dashboard: Dashboard) -> int:
    count: int = dashboard.health()["since_start"]["malformed"]
    return count


def _raw_get(dashboard: Dashboard, path: str) -> tuple[int, bytes, dict[str, str]]:
    """Ask for a path as it stands: urllib would tidy it up first."""
    connection = http.client.HTTPConnection(dashboard.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers={"Cookie": dashboard.cookie})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_a_detection_and_its_snapshot_are_stored_receipted_and_served(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    data = jpeg()
    detection = device.sample(seq=1, media=[media_ref(data)])
    device.send(detection)
    device.send_media(detection, data)
    eventually(lambda: device.is_receipted(1), what="the row is receipted")
    sha256 = media_ref(data).sha256
    eventually(
        lambda: any(sha256 in receipt.media for receipt in device.seen()),
        what="the media file is receipted",
    )
    [stored] = _of(dashboard, device)
    assert stored["detection_id"] == detection.detection_id
    assert (stored["class_name"], stored["probability"]) == ("leopard", 0.93)
    status, body, headers = _raw_get(dashboard, stored["media"][0]["url"])
    assert (status, body) == (200, data)
    assert headers["content-type"] == "image/jpeg"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_receipt_names_this_dashboard_and_the_devices_epoch(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    device.send(device.sample(seq=1))
    eventually(lambda: device.is_receipted(1), what="the row is receipted")
    receipt = device.seen()[-1]
    assert (receipt.dashboard_id, receipt.epoch) == ("dashboard", EPOCH)
    assert dashboard.process.poll() is None


def test_rows_out_of_order_are_receipted_as_ranges_and_the_gap_is_listed(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    for seq in (2, 5, 4):
        device.send(device.sample(seq=seq))
    eventually(lambda: device.is_receipted(4), what="all rows are receipted")
    last = device.seen()[-1]
    assert (last.received_upto, last.ranges) == (0, [(2, 2), (4, 5)])
    rows = {row["device_id"]: row for row in dashboard.get("/api/devices")}
    listed = rows[device.topics.device_id]
    assert [(gap["first"], gap["last"]) for gap in listed["gaps"]] == [(1, 1), (3, 3)]


def test_a_duplicate_is_receipted_again_and_shown_once(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    detection = device.sample(seq=1)
    device.send(detection)
    eventually(lambda: device.is_receipted(1), what="the first is receipted")
    count = len(device.seen())
    device.send(detection)
    eventually(lambda: len(device.seen()) > count, what="the second is receipted too")
    assert len(_of(dashboard, device)) == 1


@pytest.mark.parametrize(
    ("fault", "is_readable"),
    [
        pytest.param(lambda _: b"{broken", False, id="malformed JSON"),
        pytest.param(lambda _: b"\x00" * 3_000_000, False, id="huge"),
        pytest.param(lambda good: good.replace(b"detection/1", b"detection/9"), True, id="schema"),
        pytest.param(lambda good: good.replace(b'"jetson-', b'"thief-'), True, id="wrong device"),
    ],
)
def test_a_malformed_message_is_counted_refused_where_readable_and_stops_nothing(
    dashboard: Dashboard, device: FieldDevice, fault: Callable[[bytes], bytes], is_readable: bool
) -> None:
    before = _malformed(dashboard)
    payload = fault(device.sample(seq=3).to_json())
    device.publish(device.topics.detection("alert"), payload)
    device.send(device.sample(seq=4))
    eventually(lambda: device.is_receipted(4), what="the next row is receipted")
    assert _malformed(dashboard) == before + 1
    assert len(_of(dashboard, device)) == 1
    refused = {refusal.seq for receipt in device.seen() for refusal in receipt.refused}
    assert refused == ({3} if is_readable else set())
    assert not device.is_receipted(3)


def test_media_of_a_wrong_hash_and_no_jpeg_are_not_receipted(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    before = _malformed(dashboard)
    announced = jpeg(1)
    detection = device.sample(seq=1, media=[media_ref(announced)])
    device.send(detection)
    device.send_media(detection, jpeg(2))
    device.send_media(detection, b"GIF89a")
    eventually(lambda: _malformed(dashboard) == before + 2, what="both are counted")
    device.send_media(detection, announced)
    eventually(lambda: [r for r in device.seen() if r.media], what="the right one is receipted")
    assert {sha for receipt in device.seen() for sha in receipt.media} == {
        media_ref(announced).sha256
    }


@pytest.mark.parametrize(
    "path",
    [
        "/media/../detections.sqlite",
        "/media/..%2fdetections.sqlite.jpg",
        "/media/%2e%2e/%2e%2e/detections.sqlite",
        "/media/" + "a" * 64 + ".jpg",
        "/media/" + "A" * 64 + ".jpg",
        "/media/.jpg",
    ],
)
def test_only_stored_media_are_served(dashboard: Dashboard, path: str) -> None:
    status, body, _ = _raw_get(dashboard, path)
    assert status == 404
    assert b"SQLite" not in body


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x"])
def test_a_wrong_limit_is_refused(dashboard: Dashboard, limit: str) -> None:
    assert _raw_get(dashboard, f"/api/detections?limit={limit}")[0] == 422


def test_no_page_describes_the_api_or_a_fault(dashboard: Dashboard) -> None:
    for path in ("/docs", "/openapi.json", "/redoc"):
        assert _raw_get(dashboard, path)[0] == 404


def test_status_and_last_will_reach_the_devices_table(
    dashboard: Dashboard, shared_broker: Broker
) -> None:
    will = Status(state="offline", since=None, bdseq=1).to_json()
    with field_device(shared_broker.url, "jetson-0", will=will) as device:
        online = Status(state="online", since=AT, bdseq=1)
        device.publish(device.topics.status, online.to_json(), retain=True)
        eventually(lambda: _state_of(dashboard, "jetson-0") == "online", what="it is online")
        device.vanish()
        eventually(lambda: _state_of(dashboard, "jetson-0") == "offline", what="it is offline")


def _state_of(dashboard: Dashboard, device_id: str) -> str | None:
    rows = {row["device_id"]: row["state"] for row in dashboard.get("/api/devices")}
    return rows.get(device_id)


def test_a_store_that_fails_is_reported_and_nothing_is_acknowledged_meanwhile(
    dashboard: Dashboard, device: FieldDevice
) -> None:
    path = dashboard.folder / "detections.sqlite"
    _execute(path, "ALTER TABLE revisions RENAME TO away")
    device.send(device.sample(seq=1))
    eventually(lambda: dashboard.health()["status"] == "failing", what="the failure is reported")
    assert device.seen() == []
    _execute(path, "ALTER TABLE away RENAME TO revisions")
    eventually(lambda: device.is_receipted(1), what="the row is stored after all")
    eventually(lambda: dashboard.health()["status"] == "ok", what="the failure is forgotten")


def _execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, timeout=10)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()
