"""The live page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from edgeclip.contract.detection import Detection
from edgeclip.contract.reports import Info, Status
from support.brokers import Broker, free_port, running_broker
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

KEPT = Path(__file__).parents[2] / "test-output"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
Browser = webdriver.Chrome


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
        "--disable-dev-shm-usage", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


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
    browser.set_window_size(width, height)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")  # the page before would go on looking for its own dashboard
    _log(browser, "browser")  # reading it empties it
    _log(browser, "performance")
    browser.get(dashboard.url)
    eventually(lambda: "Connected to" in _text(browser, ".link"), what="the page is alive")


def _log(browser: Browser, kind: str) -> list[str]:
    entries: list[dict[str, str]] = browser.get_log(kind)  # type: ignore[no-untyped-call]  # selenium
    return [entry["message"] for entry in entries]


def _text(browser: Browser, selector: str) -> str:
    return " | ".join(_texts(browser, selector))


def _texts(browser: Browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
    texts: list[str] = browser.execute_script(script, selector)
    return texts


def _value(browser: Browser, script: str) -> Any:
    return browser.execute_script(f"return {script}")


def _keep(browser: Browser, name: str) -> None:
    KEPT.mkdir(exist_ok=True)
    browser.save_screenshot(str(KEPT / f"{name}.png"))


def _assert_quiet(browser: Browser) -> None:
    """No error in the console, and no request that left this machine."""
    assert _log(browser, "browser") == []
    urls = [
        message.split('"url":"')[1].split('"')[0]
        for message in _log(browser, "performance")
        if '"Network.requestWillBeSent"' in message and '"url":"' in message
    ]
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
    assert "No detections yet" in _text(browser, ".empty")
    assert "edgeclip-device run --config device.toml" in _text(browser, ".empty")
    assert "No device has reported yet." in _text(browser, ".devices")
    assert browser.title == "edgeclip · demo"
    _keep(browser, "dashboard-empty")
    _assert_quiet(browser)


def test_a_published_detection_appears_with_its_snapshot_without_a_reload(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    _value(browser, "(window.notReloaded = true)")
    detection, data = _leopard(device)
    device.send(detection)
    eventually(lambda: _texts(browser, ".species") == ["leopard"], what="the card appears")
    assert "no snapshot yet" in _text(browser, ".snapshot")
    device.send_media(detection, data)
    eventually(
        lambda: _value(browser, "document.querySelector('.snapshot img')?.naturalWidth") == 640,
        what="the snapshot appears",
    )
    card = _text(browser, ".detection")
    for expected in ("alert", "new", "93 %", "ridge-2026 · north · jetson-1", "7 min ago",
                     "UTC", "3 of 3 frames", "leopard@1.0.0 on onnxruntime fp32"):  # fmt: skip
        assert expected in card
    assert _value(browser, "window.notReloaded") is True
    assert dashboard.detections()[0]["shown_at"] is not None
    _assert_quiet(browser)


def test_a_later_revision_changes_the_card_in_place(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    detection, _ = _leopard(device)
    device.send(detection)
    eventually(lambda: _texts(browser, ".badge.phase") == ["new"], what="it is new")
    device.send(detection.model_copy(update={"rev": 1, "seq": 2, "phase": "end"}))
    eventually(lambda: _texts(browser, ".badge.phase") == ["ended"], what="it has ended")


def test_the_newest_detection_comes_first_and_a_failure_is_shown_as_one(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard)
    device.send(_leopard(device)[0])
    changes = {"class_name": None, "probability": None, "failure": "engine_failed"}
    device.send(device.sample(seq=2, observation_type="unclassified", votes=None, **changes))
    eventually(
        lambda: _texts(browser, ".species") == ["Failure: engine failed", "leopard"],
        what="both are shown, the newest first",
    )
    assert _value(browser, "document.querySelectorAll('.detection.failure').length") == 1


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
    eventually(lambda: _texts(browser, ".species") == [HOSTILE[:64]], what="it is shown as text")
    assert HOSTILE in _text(browser, ".scientific")
    assert browser.title == "edgeclip · demo"
    assert _texts(browser, ".badge.test") == ["test"]
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
        eventually(lambda: "onnxruntime fp32" in _text(browser, shown), what="it is online")
        assert "leopard@1.0.0" in _text(browser, shown)
        device.vanish()
        eventually(
            lambda: "offline since" in _text(browser, ".device.offline"), what="it is offline"
        )
    assert "0 of 1 devices online" in _text(browser, ".counts")
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
        lambda: _value(browser, "document.querySelectorAll('.snapshot img').length") == len(names),
        what="all snapshots are there",
    )
    assert _value(browser, "document.documentElement.scrollWidth") <= width
    assert "1 row not received: 5" in _text(browser, ".gaps")
    _keep(browser, f"dashboard-{width}")
    _assert_quiet(browser)


def test_every_control_and_image_has_a_name(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    detection, data = _leopard(device)
    device.send(detection)
    device.send_media(detection, data)
    _open(browser, dashboard)
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, ".snapshot img"), what="an image")
    names = [
        element.accessible_name
        for element in browser.find_elements(By.CSS_SELECTOR, "button, a, img, main section, aside")
    ]
    assert len(names) >= 4
    assert all(names)
    assert _value(browser, "document.documentElement.lang") == "en-US"
    assert _value(browser, "document.querySelectorAll('h1').length") == 1


def test_light_and_dark_can_be_switched(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard)
    before = _value(browser, "document.body.classList.contains('body--dark')")
    browser.find_element(By.CSS_SELECTOR, "header button").click()
    eventually(
        lambda: _value(browser, "document.body.classList.contains('body--dark')") != before,
        what="the page changes",
    )


def test_a_lost_broker_is_shown(browser: Browser, tmp_path: Path) -> None:
    with running_dashboard(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as dashboard:
        browser.get(dashboard.url)
        eventually(
            lambda: "No connection to mqtt://127.0.0.1" in _text(browser, ".link.waiting"),
            what="the page says that there is no connection",
        )


def test_the_theme_of_the_configuration_is_used(browser: Browser, tmp_path: Path) -> None:
    config = tmp_path / "dashboard.toml"
    for theme, is_dark in (("dark", True), ("light", False)):
        config.write_text(f'[page]\ntheme = "{theme}"\n')
        broker = f"mqtt://127.0.0.1:{free_port()}"
        with running_dashboard(tmp_path, broker, "--config", str(config)) as dashboard:
            browser.get(dashboard.url)
            eventually(lambda: _texts(browser, "h1"), what="the page is built")
            eventually(
                lambda is_dark=is_dark: (
                    _value(  # type: ignore[misc]  # a default argument binds
                        browser, "document.body.classList.contains('body--dark')"
                    )
                    is is_dark
                ),
                what=f"the page is {theme}",
            )
