from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.log_ring import LogRing, attached_ring
from edgeclip_device.outbox import Outbox
from edgeclip_device.services import run_both
from support.brokers import Broker, free_port
from support.processes import complete, end, running
from support.receivers import eventually, receiving
from support.samples import detection

Make = Callable[..., DeviceSettings]


def _uplink(settings: DeviceSettings, url: str) -> tuple[str | Path, ...]:
    return ("uplink", "--state", settings.state, "--broker", url, "--device-id", "jetson-1")


@pytest.mark.broker
def test_sigterm_lets_the_uplink_say_stopped_and_exit_with_0(
    make_settings: Make, broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings()
    with (
        receiving(broker) as receiver,
        running(*_uplink(settings, broker.url), log=tmp_path / "log") as uplink,
    ):
        eventually(lambda: "online" in receiver.states, "online")
        assert end(uplink) == 0
        eventually(lambda: receiver.states[-1] == "stopped", "stopped")


@pytest.mark.broker
def test_an_uplink_that_is_killed_is_offline_by_its_will(
    make_settings: Make, broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings()
    config = tmp_path / "device.toml"
    config.write_text("[mqtt]\nwill_delay_s = 0\n")
    arguments = (*_uplink(settings, broker.url), "--config", config)
    with receiving(broker) as receiver, running(*arguments, log=tmp_path / "log") as uplink:
        eventually(lambda: "online" in receiver.states, "online")
        uplink.kill()
        eventually(lambda: receiver.states[-1] == "offline", "the will")


def test_the_uplinks_watchdog_is_fed_while_the_broker_is_away(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        arguments = _uplink(settings, f"mqtt://127.0.0.1:{free_port()}")
        with running(*arguments, log=tmp_path / "log", environment=environment):
            heard = [systemd.recv(500) for _ in range(8)]
    assert heard[0] == b"READY=1"
    assert heard.count(b"WATCHDOG=1") >= 3
    assert b"STATUS=offline; 0 detections, 0 snapshots wait" in heard


@pytest.mark.broker
def test_what_run_could_not_send_is_sent_by_the_next_uplink(
    make_settings: Make, broker: Broker, tmp_path: Path, bundle: Path, crossing_clip: Path
) -> None:
    settings = make_settings()
    done = complete(
        "run", "--source", crossing_clip, "--bundle", bundle, "--state", settings.state,
        "--broker", broker.url, "--device-id", "jetson-1",
    )  # fmt: skip
    assert done.returncode == 0
    with (
        receiving(broker) as receiver,
        running(*_uplink(settings, broker.url), log=tmp_path / "log"),
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
    ):
        eventually(lambda: outbox.waiting() == (0, 0), "all receipts")
    assert {item.phase for item in receiver.detections.values()} == {"new", "end"}


@pytest.mark.broker
@pytest.mark.usefixtures("own_signals")
def test_run_has_its_first_lines_for_who_asks_from_afar(
    make_settings: Make, broker: Broker, bundle: Path, crossing_clip: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    settings = make_settings(
        mqtt={"url": broker.url},
        camera={"source": str(crossing_clip)},
        inference={"bundle": bundle, "backend": "onnxruntime"},
    )
    with caplog.at_level(logging.INFO):
        run_both(settings)
    assert any("detect: source" in line for line in attached_ring().last(300))


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Give signals back what they did, and the ring of the log."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, LogRing)]:
        root.removeHandler(handler)
    yield
    root.removeHandler(attached_ring())
    for number, before in kept.items():
        signal.signal(number, before)


@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_that_hangs_is_left_and_found_again(
    make_settings: Make, broker: Broker, tmp_path: Path
) -> None:
    settings = make_settings()
    config = tmp_path / "device.toml"
    config.write_text("[mqtt]\nkeepalive_s = 5\nretry_max_s = 1.0\n[uplink]\nresend_s = 1.0\n")
    arguments = (*_uplink(settings, broker.url), "--config", config)
    with (
        closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox,
        receiving(broker) as receiver,
        running(*arguments, log=tmp_path / "log"),
    ):
        eventually(lambda: "online" in receiver.states, "online")
        broker.suspend()
        outbox.emit(detection())
        eventually(lambda: "connection ended" in (tmp_path / "log").read_text(), "the loss of it")
        broker.resume()
        eventually(lambda: outbox.waiting() == (0, 0), "the receipt")
