"""Devices and the map in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from edgeclip.contract.health import Health
from edgeclip.contract.reports import Status
from edgeclip_dashboard.database import database_url
from edgeclip_dashboard.field.places_table import import_places
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    running_dashboard,
)
from support.reports_of_a_device import alarm, health, info, log_of

pytestmark = [pytest.mark.broker, pytest.mark.browser]

_ALL_ARE_SEEN = """(() => {
    const view = document.querySelector(".map").getBoundingClientRect();
    const names = [...document.querySelectorAll(".place-name")];
    const boxes = names.map(name => name.getBoundingClientRect());
    const seen = boxes.filter(box => box.left >= view.left && box.right <= view.right);
    return names.length > 1 && seen.length === names.length;
})()"""
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        yield running


@pytest.fixture(scope="module")
def device(broker: Broker) -> Iterator[FieldDevice]:
    """Yield a device that has told of two days."""
    with field_device(broker.url) as connected:
        _tell_of_two_days(connected)
        yield connected


def _tell_of_two_days(device: FieldDevice) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    online = Status(state="online", since=now - timedelta(hours=50), bdseq=1).to_json()
    device.publish(device.topics.status, online, retain=True)
    device.publish(device.topics.info, info().to_json(), retain=True)
    hours = [now - timedelta(hours=hour) for hour in range(48, 0, -1)]
    for first in (0, 24):
        older = [_health_at(at) for at in hours[first : first + 24]]
        entries = log_of("disk_low begins", "disk_low is over", first=first + 1, health=older)
        device.publish(device.topics.log, entries.to_json())
    device.publish(device.topics.health, _health_at(now).to_json(), retain=True)


def _health_at(at: datetime) -> Health:
    is_day = 6 <= at.hour < 18
    return health(
        at,
        power={"battery_v": 12.9 if is_day else 12.1, "vdd_in_w": 9.1, "mode_name": "15W"},
        thermal={"tj_c": 58.0 if is_day else 41.0, "throttled": False},
    )


def _open(browser: Browser, dashboard: Dashboard, path: str, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url + path, width=width, height=900 if width > 600 else 844)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")


def _is_drawn(browser: Browser) -> bool:
    return bool(browser.value("document.querySelectorAll('.plot canvas').length >= 8"))


def test_the_devices_are_listed_and_found(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/devices")
    eventually(lambda: "12." in browser.text(".device-cards"), what="the battery is shown")
    cards = browser.text(".device-cards")
    assert device.topics.device_id in cards
    for told in ("online, 2 d ago", "ridge-2026", "leopard@1.0.0"):
        assert told in cards
    assert "1 device, 1 online, 0 alarms" in browser.text(".actions")
    browser.keep("devices")
    assert browser.console() == []


def test_a_device_is_shown_with_its_history(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/devices/jetson-1")
    eventually(lambda: _is_drawn(browser), what="the plots are drawn")
    assert device.topics.device_id in browser.text("h1")
    for told in ("boar@2.1.0", "onnxruntime fp32, rung 4 of 4", "51.2 GB", "11.5 ms (p95)"):
        assert told in browser.text(".panels")
    assert "disk_low is over" in browser.text(".log-book")
    assert "Battery" in browser.text(".charts")
    browser.keep("device")
    assert browser.console() == []


def test_an_alarm_on_an_open_page_grows_older_without_being_read_out_again(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/devices/jetson-1")
    topic = device.topics.retained("alarm/disk_low")
    device.publish(topic, alarm(since=datetime.now(timezone.utc)).to_json(), retain=True)
    eventually(lambda: "(just now)" in browser.text(".alarm .since"), what="it has just begun")
    browser.value("(document.querySelector('.alarm').isTheSame = true)")

    def is_older() -> bool:
        now = datetime.now(timezone.utc)
        device.publish(device.topics.health, health(now).to_json())  # the page looks again
        return " s ago)" in browser.text(".alarm .since")

    eventually(is_older, what="its age follows the clock")
    assert browser.value("document.querySelector('.alarm').isTheSame") is True
    device.publish(topic, b"", retain=True)
    eventually(lambda: not browser.texts(".alarm"), what="the alarm is over")


def test_an_alarm_appears_with_what_to_do_and_goes(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/devices/jetson-1")
    topic = device.topics.retained("alarm/disk_low")
    device.publish(topic, alarm().to_json(), retain=True)
    eventually(lambda: "1.2 GB are free" in browser.text(".alarm"), what="the alarm is shown")
    assert "make room" in browser.text(".alarm .advice")
    browser.keep("device-alarm")
    device.publish(topic, b"", retain=True)
    eventually(lambda: not browser.texts(".alarm"), what="the alarm is over")
    eventually(
        lambda: "disk low" in browser.text(".panel .rows"), what="it is among those that are over"
    )
    cut = "[...document.querySelectorAll('.ended')].some(e => e.scrollWidth > e.clientWidth)"
    assert browser.value(cut) is False
    wide = "getBoundingClientRect().width"
    ended, book = (f"document.querySelector('{own}').{wide}" for own in (".ended", ".log-book"))
    assert browser.value(f"{ended} === {book}") is True


def _write(browser: Browser, name: str, text: str) -> None:
    [field] = browser.elements(f"[name={name}]")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text)


def test_a_place_is_written_down_and_stands_on_the_map(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    del device
    _open(browser, dashboard, "/deployments/ridge-2026")
    _write(browser, "name", "North ridge <b>")
    _write(browser, "latitude", "91")
    _write(browser, "longitude", "37.3")
    browser.click(".save button")
    eventually(lambda: "Latitude: " in browser.text(".save"), what="a wrong value is refused")
    _write(browser, "started_at", "yesterday")
    browser.click(".save button")
    eventually(lambda: "Began: 'yesterday' is no" in browser.text(".save"), what="so is a time")
    _write(browser, "started_at", "2026-05-01")
    _write(browser, "latitude", "-0.42")
    _write(browser, "uncertainty_m", "400")
    browser.click(".save button")
    eventually(lambda: "Saved at" in browser.text(".save"), what="it is saved")
    browser.keep("deployment")
    _open(browser, dashboard, "/map")
    eventually(lambda: "North ridge <b>" in browser.text(".place-name"), what="it is drawn")
    assert "-0.42°" in browser.text(".grid-name")
    assert "North ridge <b>" in browser.text(".place-list")
    browser.keep("map")
    browser.click(".theme")
    eventually(lambda: browser.elements(".body--dark"), what="it is dark")
    browser.keep("map-dark")
    assert browser.console() == []
    urls = browser.requested()
    assert [url for url in urls if not url.startswith((dashboard.url, "data:", "ws:"))] == []
    _open(browser, dashboard, "/deployments")
    assert "-0.42000, 37.30000" in browser.text("table")
    browser.keep("deployments")


def test_a_phone_shows_all_places_on_the_map(
    browser: Browser, dashboard: Dashboard, device: FieldDevice, tmp_path: Path
) -> None:
    del device
    table = tmp_path / "places.csv"
    lines = ["deployment_id,name,latitude,longitude", "west,West,-1.3,36.6", "east,East,-1.3,37"]
    table.write_text("\n".join(lines))
    url = database_url(str(dashboard.folder / "detections.sqlite"))
    import_places(table, url, "demo")
    _open(browser, dashboard, "/map", width=390)
    eventually(lambda: browser.value(_ALL_ARE_SEEN), what="both are in the view")
    browser.keep("map-phone")


@pytest.mark.parametrize(
    "path",
    ["/devices", "/devices/jetson-1", "/map", "/deployments", "/deployments/ridge-2026"],
)
def test_a_phone_has_no_sideways_scrolling(
    browser: Browser, dashboard: Dashboard, device: FieldDevice, path: str
) -> None:
    del device
    _open(browser, dashboard, path, width=390)
    built = ".place-name" if path == "/map" else ".panel"
    eventually(lambda: browser.texts(built), what="the page is built")
    assert browser.value("document.documentElement.scrollWidth") <= 390
    browser.keep(f"phone{path.replace('/', '-')}")


def test_the_dot_of_a_device_stands_beside_its_state_on_a_phone(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    del device
    _open(browser, dashboard, "/devices/jetson-1", width=320)
    eventually(lambda: browser.texts(".device-head .state"), what="the page is built")
    ends = "getBoundingClientRect()"
    dot = browser.value(f"document.querySelector('.device-head .dot').{ends}.right")
    assert dot <= browser.value(f"document.querySelector('.device-head .state').{ends}.left")


def test_text_of_a_device_is_only_text(
    browser: Browser, dashboard: Dashboard, broker: Broker
) -> None:
    with field_device(broker.url, "hostile") as hostile:
        name = hostile.topics.device_id
        told = info(device_id=name, pack=HOSTILE[:64], source=HOSTILE[:64], machine=HOSTILE[:64],
                    packs_available=[HOSTILE[:64]], degraded_precision=HOSTILE,
                    libraries={HOSTILE: HOSTILE[:64]})  # fmt: skip
        hostile.publish(hostile.topics.info, told.to_json())
        reason = Status(state="offline", since=None, bdseq=1, reason=HOSTILE).to_json()
        hostile.publish(hostile.topics.status, reason)
        hostile.publish(hostile.topics.retained("alarm/disk_low"), alarm(detail=HOSTILE).to_json())
        log = log_of(HOSTILE, device_id=name).to_json()
        hostile.publish(hostile.topics.log, log)
        power = {"mode_name": HOSTILE, "battery_v": 12.0}
        hostile.publish(hostile.topics.health, health(device_id=name, power=power).to_json())
    for path in ("/devices", "/devices/hostile"):
        _open(browser, dashboard, path)
        eventually(lambda: "<script>" in browser.text(".page"), what="it is told as text")
        assert browser.value("document.querySelectorAll('.page script, .page img').length") == 0
        assert "owned" not in browser.title
        assert browser.console() == []
    assert "<script>" in browser.text(".log-book")


def test_an_unknown_device_is_not_found(browser: Browser, dashboard: Dashboard) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/devices/nobody")
    assert "No device of that name has ever spoken here." in browser.text("body")
