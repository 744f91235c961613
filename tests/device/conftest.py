"""What the device's tests share: a small real bundle, clips, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from edgeclip_device.backoff import LinkTiming
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, load_settings
from edgeclip_device.credentials import Credentials
from edgeclip_device.link_report import UplinkOptions
from edgeclip_device.outbox import Outbox
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker, running_broker
from support.disks import mounted
from support.drawn_clips import crossing, ground, write_video
from support.tiny_bundle import TinyPack, write_tiny_bundle

SettingsMaker = Callable[..., DeviceSettings]
UplinkStarter = Callable[..., UplinkThread]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle of two packs: leopard, and a trio with another K. Not to be changed."""
    trio = TinyPack(
        task="trio", classes=(("fox", "animal"), ("blank", "blank"), ("grass", "blank"))
    )
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle", [TinyPack(), trio])


@pytest.fixture(scope="session")
def crossing_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s at 10 fps: the red blob crosses from 3 s to 9 s."""
    return write_video(tmp_path_factory.mktemp("clips") / "crossing.mp4", crossing())


@pytest.fixture(scope="session")
def still_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 s at 10 fps in which nothing happens."""
    return write_video(tmp_path_factory.mktemp("clips") / "still.mp4", [ground()] * 50)


@pytest.fixture
def make_settings(tmp_path: Path, bundle: Path) -> SettingsMaker:
    """Makes settings with the small bundle and a state folder; tables go over them."""

    def make(**tables: Any) -> DeviceSettings:
        base: dict[str, Any] = {
            "device_id": "jetson-1",
            "state": tmp_path / "state",
            "inference": {"bundle": bundle, "backend": "onnxruntime", "threads": 1},
            "uplink": {"resend_s": 0.5, "poll_s": 0.1},
            "mqtt": {"retry_max_s": 1.0},
        }
        for key, value in tables.items():
            base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
        return load_settings(None, base)

    return make


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running mosquitto; for tests marked `broker`."""
    with running_broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def linked(make_settings: SettingsMaker, broker: Broker) -> DeviceSettings:
    """Settings with the running broker."""
    return make_settings(mqtt={"url": broker.url, "will_delay_s": 0})


@pytest.fixture
def stored(linked: DeviceSettings) -> Iterator[Outbox]:
    """An empty outbox."""
    with closing(Outbox(linked.state, linked.outbox, SystemClock())) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; skips where mounting is not allowed."""
    with mounted(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def start_uplink() -> Iterator[UplinkStarter]:
    """Starts uplinks in threads, and stops them at the end."""
    with ExitStack() as stack:

        def start(
            settings: DeviceSettings,
            credentials: Credentials | None = None,
            timing: LinkTiming = LinkTiming(),  # noqa: B008 - frozen
        ) -> UplinkThread:
            options = UplinkOptions(timing=timing)
            thread = UplinkThread(settings, credentials or Credentials(), options)
            thread.start()
            stack.callback(thread.stop)
            return thread

        yield start
