from __future__ import annotations

import http.client
import itertools
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.reports import Status
from edgeclip_dashboard.config import PASSWORD_VARIABLE, USERNAME_VARIABLE
from support.brokers import Broker, free_port, running_broker
from support.dashboards import (
    Dashboard,
    FieldDevice,
    dashboard_command,
    eventually,
    field_device,
    jpeg,
    media_ref,
    retained,
    running_dashboard,
    sample,
)
from support.samples import AT, EPOCH

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path / "broker", persistence=True) as running:
        yield running


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
        connection.request("GET", path)
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


def test_a_killed_dashboard_loses_nothing_and_shows_once(tmp_path: Path, broker: Broker) -> None:
    with field_device(broker.url) as device:
        with running_dashboard(tmp_path, broker.url) as first:
            first.wait_online()
            first.process.send_signal(signal.SIGSTOP)  # the broker delivers, nothing is acked
            sent = [sample(seq=seq) for seq in range(1, 31)]
            for detection in sent:
                device.send(detection)
            first.kill()
        with running_dashboard(tmp_path, broker.url) as second:
            eventually(lambda: device.is_receipted(30), what="all rows are receipted")
            stored = [row["detection_id"] for row in second.detections()]
    assert sorted(stored) == sorted(detection.detection_id for detection in sent)


def test_a_dashboard_killed_at_any_moment_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    sent = [sample(seq=seq) for seq in range(1, 61)]
    with field_device(broker.url) as device:
        for part in range(3):
            with running_dashboard(tmp_path, broker.url) as dashboard:
                dashboard.wait_online()
                for detection in sent[part * 20 : part * 20 + 20]:
                    device.send(detection)
                dashboard.kill()
        with running_dashboard(tmp_path, broker.url) as last:
            eventually(lambda: len(last.detections()) == 60, what="all are stored, once")
            eventually(device.seen, what="there are receipts")
            device.send(sent[0])
            eventually(lambda: device.is_receipted(60), what="all rows are receipted")


def test_a_killed_broker_is_found_again_and_nothing_acknowledged_is_lost(
    tmp_path: Path, broker: Broker
) -> None:
    with running_dashboard(tmp_path, broker.url, "--protocol", "5") as dashboard:
        dashboard.wait_online()
        broker.kill()
        eventually(lambda: dashboard.health()["status"] == "degraded", what="the loss is seen")
        assert dashboard.health()["link"]["error"]
        broker.start()
        dashboard.wait_online()
        with field_device(broker.url) as device:
            device.send(sample(seq=1))
            eventually(lambda: device.is_receipted(1), what="receiving goes on")


def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    late = Broker(tmp_path / "broker")
    with running_dashboard(tmp_path, late.url) as dashboard:
        eventually(lambda: dashboard.health()["link"]["name"] == "waiting", what="the page says so")
        assert "refused" in dashboard.health()["link"]["error"].lower()
        late.start()
        try:
            dashboard.wait_online()
        finally:
            late.stop()


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


def _state_at(broker: Broker, topic: str) -> str:
    return Status.model_validate_json(retained(broker.url, topic)).state


def test_the_dashboard_says_when_it_is_there_and_when_it_is_not(
    tmp_path: Path, broker: Broker
) -> None:
    topic = "edgeclip/v1/demo/dashboard/status"
    with running_dashboard(tmp_path, broker.url) as dashboard:
        dashboard.wait_online()
        assert _state_at(broker, topic) == "online"
        assert dashboard.stop() == 0
    assert _state_at(broker, topic) == "stopped"
    with running_dashboard(tmp_path, broker.url) as dashboard:
        dashboard.wait_online()
        dashboard.kill()
    eventually(lambda: _state_at(broker, topic) == "offline", what="the will is out")


def test_an_interruption_ends_it_in_order_too(tmp_path: Path) -> None:
    with running_dashboard(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as dashboard:
        assert dashboard.stop(signal.SIGINT) == 0
        assert not [line for line in dashboard.errors if "Traceback" in line]


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


def _failing(folder: Path, broker: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = dashboard_command(folder, broker, *more)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = _failing(tmp_path, f"mqtt://127.0.0.1:{free_port()}", "--port", port)
    assert done.returncode == 4
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unusable_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "detections.sqlite").write_text("not a database, and long enough to tell\n" * 40)
    done = _failing(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    assert done.returncode == 4
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_broker_that_wants_a_password_is_told_it_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "dashboard", "s3cret"], check=True
    )
    settings = ("allow_anonymous false", f"password_file {passwords}")
    monkeypatch.setenv(USERNAME_VARIABLE, "dashboard")
    with running_broker(tmp_path / "closed", settings=settings) as broker:
        monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
        with running_dashboard(tmp_path, broker.url) as dashboard:
            eventually(lambda: dashboard.health()["link"]["error"], what="the refusal is shown")
            assert "Not authorized" in dashboard.health()["link"]["error"]
        monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
        with running_dashboard(tmp_path, broker.url) as dashboard:
            dashboard.wait_online()
            assert dashboard.stop() == 0
            assert "s3cret" not in "".join(dashboard.errors)


def test_listening_beyond_this_machine_is_warned_about(tmp_path: Path) -> None:
    with running_dashboard(
        tmp_path, f"mqtt://127.0.0.1:{free_port()}", "--host", "0.0.0.0"
    ) as dashboard:
        eventually(
            lambda: [line for line in dashboard.errors if "everybody who reaches" in line],
            what="the warning is logged",
        )
