"""The device page's commands to a real device: its uplink and its detector, over mosquitto."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edgeclip_device.config import DeviceSettings, load_settings
from edgeclip_device.credentials import Credentials
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.notify import Notifier
from edgeclip_device.rollout.shelf import Shelf
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker
from support.browsers import Browser
from support.commanders import Commander
from support.dashboards import Dashboard, running_dashboard
from support.dashboards import eventually as eventually_within
from support.deliveries import Team
from support.drawn_clips import crossing, write_video
from support.fields import Field

pytestmark = [pytest.mark.broker, pytest.mark.browser]

eventually = partial(eventually_within, patience_s=60)  # detect, uplink, server and browser at once


@pytest.fixture(scope="module")
def commander(tmp_path_factory: pytest.TempPathFactory) -> Commander:
    return Commander(tmp_path_factory.mktemp("key") / "dashboard.key")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("work") / "team")


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, commander: Commander, team: Team
) -> DeviceSettings:
    folder = tmp_path_factory.mktemp("device")
    clip = write_video(folder / "long.mp4", crossing()[40:80] * 240)
    tables = {
        "device_id": "jetson-1",
        "state": folder / "state",
        "inference": {
            "bundle": team.bundle("1.0.0"),
            "backend": "onnxruntime",
            "threads": 1,
            "public_keys": [team.public],
        },
        "camera": {"source": str(clip)},
        "motion": {"algorithm": "off"},
        "commands": {"admins": [commander.public]},
        "limits": {"inferences_per_min": 6000.0},
        "packs": {"shadow_frames": 30, "max_slowdown": 100.0},
        "uplink": {"resend_s": 0.5, "poll_s": 0.1},
        "mqtt": {"url": broker.url, "retry_max_s": 1.0},
    }
    return load_settings(None, tables)


@pytest.fixture(scope="module")
def field(settings: DeviceSettings, commander: Commander) -> Iterator[Field]:
    """Yield a device that sees and talks."""
    stop = threading.Event()
    detecting = threading.Thread(target=_detect, args=(settings, stop))
    detecting.start()
    uplink = UplinkThread(settings, Credentials())
    uplink.start()
    yield Field(settings, commander, detecting, stop)
    uplink.stop()
    stop.set()
    detecting.join(30)


def _detect(settings: DeviceSettings, stop: threading.Event) -> None:
    """Run detect over the clip at thrice its speed: as fast as possible it would soon end."""
    goes_on = True
    while goes_on and not stop.is_set():
        with opened_detector(settings, Notifier(), DetectOptions(speed=3.0)) as detector:
            detector.run(stop)
            Shelf(settings).ended_well()
            goes_on = detector.errands.begins_anew


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, commander: Commander
) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    config = folder / "dashboard.toml"
    config.write_text(f'[commands]\nkey_file = "{commander.key}"\npacks = "{folder / "packs"}"\n')
    with running_dashboard(folder, broker.url, "--config", str(config)) as running:
        running.wait_online()
        yield running


@pytest.fixture
def page(browser: Browser, dashboard: Dashboard, field: Field) -> Browser:
    """Return the browser on the device's page."""
    del field
    eventually(lambda: dashboard.get("/api/devices"), what="the device has spoken")
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/devices/jetson-1", width=1400, height=1000)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")
    return browser


def _click(browser: Browser, label: str) -> None:
    browser.click("button, .q-item", label)


def _newest(browser: Browser) -> str:
    return (browser.texts(".asked-one") or [""])[0]


def test_a_snapshot_is_asked_for_and_shown(page: Browser) -> None:
    _click(page, "Snapshot now")
    eventually(
        lambda: page.value("document.querySelector('.asked-snapshot')?.naturalWidth > 0"),
        what="the snapshot is shown",
    )
    assert "done" in _newest(page)
    page.keep("device-snapshot")
    assert page.console() == []


def test_commands_fit_a_phone(page: Browser, dashboard: Dashboard) -> None:
    page.open(f"{dashboard.url}/devices/jetson-1", width=390, height=844)
    eventually(lambda: page.texts(".asked-one"), what="the page is built")
    assert page.value("document.documentElement.scrollWidth") <= 390
    page.keep("phone-commands")


def test_a_device_is_disarmed_only_after_a_question(page: Browser, field: Field) -> None:
    _click(page, "Disarm")
    eventually(lambda: "classifies nothing" in page.text(".confirm"), what="the question")
    page.keep("device-confirm")
    _click(page, "Leave it")
    eventually(lambda: not page.texts(".confirm"), what="the question is taken back")
    _click(page, "Disarm")
    eventually(lambda: page.texts(".confirm"), what="the question")
    page.click(".confirm .danger")
    eventually(lambda: "disarm" in _newest(page) and "done" in _newest(page), what="it is disarmed")
    assert field.noted("armed") == "0"
    _click(page, "Arm")
    eventually(lambda: field.noted("armed") == "1", what="it is armed again")


def test_a_threshold_out_of_bounds_is_refused_by_the_device(page: Browser) -> None:
    _click(page, "Thresholds")
    eventually(lambda: page.elements(".thresholds .form input"), what="the form")
    name, on = page.elements(".thresholds .form input")[:2]
    name.send_keys("leopard")
    on.send_keys("0.01")
    _click(page, "Set thresholds")
    eventually(lambda: "thresholds" in _newest(page) and "is not within" in _newest(page),
               what="the device refuses")  # fmt: skip


def test_a_pack_is_sent_in_chunks_and_decides(
    page: Browser, field: Field, team: Team, tmp_path: Path
) -> None:
    _click(page, "Packs")
    eventually(lambda: page.elements(".packs input[type=file]"), what="the upload")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no pack")
    page.elements(".packs input[type=file]")[0].send_keys(str(broken))
    eventually(lambda: "pack wrap" in page.text(".offer"), what="what is no pack is refused")
    delivery = team.delivery("1.1.0")
    with zipfile.ZipFile(delivery, "a") as file:
        file.comment = bytes(65_000)  # so that it goes in several chunks
    page.elements(".packs input[type=file]")[0].send_keys(str(delivery))
    eventually(lambda: "leopard@1.1.0" in page.text(".offer"), what="the pack is looked into")
    page.keep("device-pack")
    _click(page, "Send it to jetson-1")
    eventually(lambda: "pack add" in _newest(page) and "done" in _newest(page), what="it is taken")
    eventually(lambda: Shelf(field.settings).read().before, what="it is promoted")
    page.keep("device-pack-sent")
    _click(page, "Roll back")
    eventually(lambda: page.texts(".confirm"), what="the question")
    page.click(".confirm .danger")
    eventually(lambda: "pack rollback" in _newest(page) and "done" in _newest(page),
               what="it is taken back")  # fmt: skip


def test_a_pack_is_sent_to_all_that_are_chosen(
    page: Browser, dashboard: Dashboard, team: Team
) -> None:
    page.open(f"{dashboard.url}/packs", width=1400, height=1000)
    eventually(lambda: page.elements("input[type=file]"), what="the upload")
    page.elements("input[type=file]")[0].send_keys(str(team.delivery("1.2.0")))
    eventually(lambda: "leopard@1.2.0" in page.text(".offer"), what="the pack is looked into")
    _click(page, "Choose all")
    eventually(lambda: "jetson-1" in page.text(".who"), what="the device is chosen")
    _click(page, "Send it")
    eventually(lambda: "packs leopard@1.2.0" in page.text(".sent-packs"), what="it is taken")
    assert "It is on its way to 1 device." in page.text(".offer")
    page.keep("packs")
    assert page.console() == []
