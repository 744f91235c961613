"""The live page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclip.contract.detection import Detection
from edgeclip.contract.reports import Info, Status
from support.asked import asked_bank
from support.brokers import Broker, free_port
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
)

pytestmark = [pytest.mark.broker, pytest.mark.browser]

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture
def dashboard(tmp_path: Path, broker: Broker) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path, broker.url) as running:
        running.wait_online()
        yield running


@pytest.fixture
def device(broker: Broker) -> Iterator[FieldDevice]:
    with field_device(broker.url) as connected:
        yield connected


def _open(browser: Browser, dashboard: Dashboard, width: int = 1400, height: int = 900) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url, width=width, height=height)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")


def _assert_quiet(browser: Browser) -> None:
    """No error in the console, and no request that left this machine."""
    assert browser.console() == []
    urls = browser.requested()
    assert urls
    assert [url for url in urls if not url.startswith(("http://127.0.0.1:", "data:"))] == []


def _leopard(device: FieldDevice, **changes: Any) -> tuple[Detection, bytes]:
    """Return a detection of seven minutes ago and its snapshot."""
    data = jpeg(changes.get("seq", 1), (640, 400))
    then = datetime.now(timezone.utc) - timedelta(minutes=7)
    sampled = device.sample(**({"seq": 1, "media": [media_ref(data)]} | changes))
    time = sampled.time.model_copy(update={"best_at": then, "started_at": then})
    return sampled.model_copy(update={"time": time}), data


def test_an_empty_page_says_what_to_do(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard)
    assert "No detections yet" in browser.text(".empty")
    assert "edgeclip-device run --config device.toml" in browser.text(".empty")
    assert "No device has reported yet." in browser.text(".devices")
    assert browser.title == "Live · edgeclip · demo"
    browser.keep("dashboard-empty")
    _assert_quiet(browser)


def test_a_card_and_the_page_of_a_detection_say_in_words_what_is_unverified(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    told = asked_bank(verified=True).told(np.array([0, 1, 0, 1], np.float32), "leopard")
    detection, data = _leopard(device, attributes=told)
    device.send(detection)
    device.send_media(detection, data)
    _open(browser, dashboard)
    caption = "leopard, night (unverified: two animals)"
    eventually(lambda: caption in browser.text("main"), what="the caption is on the card")
    browser.open(f"{dashboard.url}/detections/{detection.detection_id}")
    eventually(lambda: caption in browser.text("main"), what="and on the page")
    assert "how many=two 1.00 unverified" in browser.text("main")
    _assert_quiet(browser)


def test_a_published_detection_appears_with_its_snapshot_without_a_reload(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    browser.value("(window.notReloaded = true)")
    detection, data = _leopard(device)
    device.send(detection)
    eventually(lambda: browser.texts(".species") == ["leopard"], what="the card appears")
    assert "no snapshot yet" in browser.text(".snapshot")
    device.send_media(detection, data)
    eventually(
        lambda: browser.value("document.querySelector('.snapshot img')?.naturalWidth") == 640,
        what="the snapshot appears",
    )
    card = browser.text(".detection")
    for expected in ("alert", "new", "93 %", "ridge-2026 · north · jetson-1", "7 min ago",
                     "UTC", "3 of 3 frames", "leopard@1.0.0"):  # fmt: skip
        assert expected in card
    assert "onnxruntime" not in card
    assert browser.value("window.notReloaded") is True
    assert "Alert: leopard at ridge-2026" in browser.text("[role=log]")
    assert dashboard.detections()[0]["shown_at"] is not None
    _assert_quiet(browser)


def test_a_later_revision_changes_the_card_in_place(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    detection, _ = _leopard(device)
    device.send(detection)
    eventually(lambda: browser.texts(".badge.phase") == ["new"], what="it is new")
    device.send(detection.model_copy(update={"rev": 1, "seq": 2, "phase": "end"}))
    eventually(lambda: browser.texts(".badge.phase") == ["ended"], what="it has ended")


def test_the_newest_detection_comes_first_and_a_failure_is_shown_as_one(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    device.send(_leopard(device)[0])
    changes = {"class_name": None, "probability": None, "failure": "engine_failed"}
    device.send(device.sample(seq=2, observation_type="unclassified", votes=None, **changes))
    eventually(
        lambda: browser.texts(".species") == ["Failure: engine failed", "leopard"],
        what="both are shown, the newest first",
    )
    assert browser.value("document.querySelectorAll('.detection.failure').length") == 1


def test_text_from_a_device_is_only_text(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    detection, data = _leopard(device, class_name=HOSTILE[:64], scientific_name=HOSTILE, test=True)
    device.send(detection)
    device.send_media(detection, data)
    status = Status(state="stopped", since=None, bdseq=1, reason=HOSTILE)
    device.publish(device.topics.status, status.to_json())
    eventually(lambda: dashboard.get("/api/devices"), what="it is stored")
    _open(browser, dashboard)
    eventually(lambda: browser.texts(".species") == [HOSTILE[:64]], what="it is shown as text")
    assert HOSTILE in browser.text(".scientific")
    assert browser.title == "Live · edgeclip · demo"
    assert browser.texts(".badge.test") == ["test"]
    _assert_quiet(browser)


def test_a_device_goes_offline_on_the_page_by_its_last_will(
    browser: Browser, dashboard: Dashboard, broker: Broker
) -> None:
    _open(browser, dashboard)
    will = Status(state="offline", since=None, bdseq=3).to_json()
    with field_device(broker.url, "jetson-7", will=will) as device:
        now = datetime.now(timezone.utc)
        birth = Status(state="online", since=now, bdseq=3).to_json()
        device.publish(device.topics.status, birth)
        info = Info(
            device_id="jetson-7", project="demo", deployment_id="ridge", camera_id="north",
            edgeclip_version="0.1.0", pack="leopard@1.0.0", backend="onnxruntime",
            precision="fp32", source="/dev/video0", machine="aarch64", started_at=now,
        )  # fmt: skip
        device.publish(device.topics.info, info.to_json())
        shown = ".device.online"
        eventually(lambda: "onnxruntime fp32" in browser.text(shown), what="it is online")
        assert "leopard@1.0.0" in browser.text(shown)
        device.vanish()
        eventually(lambda: "offline since" in browser.text(".device.offline"), what="it is offline")
    assert "0 of 1 device online" in browser.text(".counts")
    with field_device(broker.url, "cleaner") as cleaner:
        cleaner.publish(device.topics.status, b"", retain=True)


@pytest.mark.parametrize("width", [360, 1920])
def test_the_page_fits_a_phone_and_a_control_room(
    browser: Browser, dashboard: Dashboard, device: FieldDevice, width: int
) -> None:
    names = ("leopard", "african_wild_dog", "w" * 64, "spotted hyena", "bush pig", "leopard")
    for seq, name in enumerate(names, 1):
        severity = "alert" if name == "leopard" else "routine"
        detection, data = _leopard(
            device, seq=seq + (seq > 4), class_name=name, severity=severity,
            probability=1 - 0.07 * seq, phase=("new", "update", "end")[seq % 3],
        )  # fmt: skip
        device.send(detection)
        device.send_media(detection, data)
    status = Status(state="online", since=datetime.now(timezone.utc), bdseq=1)
    device.publish(device.topics.status, status.to_json())
    _open(browser, dashboard, width, 800)
    eventually(
        lambda: (
            browser.value("document.querySelectorAll('.snapshot img:not(.overlay)').length")
            == len(names)
        ),
        what="all snapshots are there",
    )
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert "1 row not received: 5" in browser.text(".gaps")
    browser.keep(f"dashboard-{width}")
    _assert_quiet(browser)


def test_every_control_and_image_has_a_name(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    detection, data = _leopard(device)
    device.send(detection)
    device.send_media(detection, data)
    _open(browser, dashboard)
    eventually(lambda: browser.elements(".snapshot img"), what="an image")
    names = [
        element.accessible_name
        for element in browser.elements("button, a, img, main section, aside")
        if element.is_displayed()
    ]
    assert len(names) >= 4
    assert all(names)
    assert browser.value("document.documentElement.lang") == "en-US"
    assert browser.value("document.querySelectorAll('h1').length") == 1


def test_light_and_dark_can_be_switched(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard)
    before = browser.value("document.body.classList.contains('body--dark')")
    browser.click("header .theme")
    eventually(
        lambda: browser.value("document.body.classList.contains('body--dark')") != before,
        what="the page changes",
    )


def test_a_lost_broker_is_shown(browser: Browser, tmp_path: Path) -> None:
    with running_dashboard(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as dashboard:
        browser.sign_in(dashboard.url, dashboard.cookie)
        browser.open(dashboard.url)
        eventually(
            lambda: "No connection to mqtt://127.0.0.1" in browser.text(".link.waiting"),
            what="the page says that there is no connection",
        )


def test_the_theme_of_the_configuration_is_used(browser: Browser, tmp_path: Path) -> None:
    config = tmp_path / "dashboard.toml"
    browser.forget()
    for theme, is_dark in (("dark", True), ("light", False)):
        config.write_text(f'[page]\ntheme = "{theme}"\n')
        broker = f"mqtt://127.0.0.1:{free_port()}"
        with running_dashboard(tmp_path, broker, "--config", str(config)) as dashboard:
            browser.sign_in(dashboard.url, dashboard.cookie)
            browser.open(dashboard.url)
            eventually(lambda: browser.texts("h1"), what="the page is built")
            eventually(
                lambda is_dark=is_dark: (
                    browser.value(  # type: ignore[misc]  # a default argument binds
                        "document.body.classList.contains('body--dark')"
                    )
                    is is_dark
                ),
                what=f"the page is {theme}",
            )


def test_every_page_says_that_nothing_can_be_stored(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/devices")
    eventually(lambda: "Connected" in browser.text(".link"), what="the link is up")
    media = dashboard.folder / "media"
    media.rename(dashboard.folder / "elsewhere")
    media.write_text("in the way")
    detection, data = _leopard(device)
    device.send(detection)
    device.send_media(detection, data)
    eventually(lambda: "cannot be stored" in browser.text(".link"), what="the page says so")
    media.unlink()
    (dashboard.folder / "elsewhere").rename(media)
    eventually(lambda: "Connected" in browser.text(".link"), what="it is stored")
