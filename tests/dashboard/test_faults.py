"""What ends, vanishes or is refused: dashboard, broker, port, database, password."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip.contract.reports import Status
from edgeclip_dashboard.config import PASSWORD_VARIABLE, USERNAME_VARIABLE
from support.brokers import Broker, free_port, running_broker
from support.dashboards import (
    dashboard_command,
    eventually,
    field_device,
    retained,
    running_dashboard,
    sample,
)

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path / "broker", persistence=True) as running:
        yield running


def test_a_killed_dashboard_loses_nothing_and_shows_once(tmp_path: Path, broker: Broker) -> None:
    with field_device(broker.url) as device:
        with running_dashboard(tmp_path, broker.url) as first:
            first.wait_online()
            assert first.cookie  # the one-time password of the first start is used
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
                assert dashboard.cookie
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
            lambda: [line for line in dashboard.errors if "passwords go over the network" in line],
            what="the warning is logged",
        )
