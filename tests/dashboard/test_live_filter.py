"""Filter and overlays of the live page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgeclip.contract.detection import Detection
from edgeclip.contract.encoder_view import Heat
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    jpeg,
    media_ref,
    running_dashboard,
)
from support.samples import detection

pytestmark = [pytest.mark.broker, pytest.mark.browser]


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, device: FieldDevice
) -> Iterator[Dashboard]:
    """One that holds a leopard by day, a civet by night and a leopard that is less sure."""
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        _send(device, seq=1, class_name="leopard", light="day", probability=0.93)
        _send(device, seq=2, class_name="civet", light="ir", probability=0.88)
        _send(device, seq=3, class_name="leopard", light="ir", probability=0.61)
        eventually(lambda: running.health()["store"]["counts"]["media"] == 3, what="all is there")
        yield running


def _holds(dashboard: Dashboard, count: int) -> bool:
    return len(dashboard.detections()) == count


def _send(
    device: FieldDevice, *, seq: int, class_name: str, light: str, probability: float
) -> Detection:
    gate = detection().gate
    assert gate is not None
    data = jpeg(seq, (640, 400))
    told = device.sample(
        seq=seq, class_name=class_name, probability=probability, media=[media_ref(data)],
        gate=gate.model_copy(update={"illumination": light, "boxes": [(0.2, 0.5, 0.4, 0.3)]}),
        heat=Heat.of(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, "full", (0, 0, 1, 1)),
    )  # fmt: skip
    device.send(told)
    device.send_media(told, data)
    return told


def _open(browser: Browser, dashboard: Dashboard, query: str, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/{query}", width=width)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")
    eventually(lambda: browser.value("window.socket?.connected"), what="it is connected")


def test_an_address_with_a_filter_shows_what_it_lets_through(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "?class_names=leopard&light=night")
    assert browser.texts(".species") == ["leopard"]
    assert browser.texts(".probability") == ["61 %"]
    assert browser.texts(".filter summary")[0].endswith("Filter: leopard · night")
    assert browser.console() == []


def test_choosing_in_the_filter_changes_list_and_address_without_a_reload(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "")
    browser.value("(window.notReloaded = true)")
    assert browser.texts(".species") == ["leopard", "civet", "leopard"]
    browser.click(".filter summary")
    browser.click(".filter .q-field:has([aria-label='Day and night'])")
    browser.click(".q-menu .q-item", "night")
    eventually(lambda: browser.texts(".species") == ["leopard", "civet"], what="it is filtered")
    assert browser.value("location.search") == "?light=night"
    browser.elements(".filter input[type=date]")[1].send_keys("01012020")
    eventually(lambda: browser.texts(".species") == [], what="nothing is so old")
    assert "No detection matches" in browser.text(".nothing")
    assert browser.value("window.notReloaded") is True
    browser.keep("live-filter")
    assert browser.console() == []


def test_what_arrives_is_shown_where_the_filter_lets_it_through(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "?class_names=bush_pig&class_names=genet")
    assert browser.texts(".species") == []
    _send(device, seq=4, class_name="genet", light="day", probability=0.7)
    eventually(lambda: browser.texts(".species") == ["genet"], what="the new one appears")


def test_boxes_and_heat_lie_over_the_snapshot_and_can_be_switched_off(
    browser: Browser, dashboard: Dashboard
) -> None:
    overlay = "document.querySelector('.snapshot .overlay')"
    _open(browser, dashboard, "?class_names=civet")
    eventually(lambda: browser.value(f"{overlay}?.naturalWidth") == 160, what="it is drawn")
    assert browser.value(
        f"{overlay}.getBoundingClientRect().width =="
        " document.querySelector('.snapshot img').getBoundingClientRect().width"
    )
    for name, end in (("Heat", "?heat=0"), ("Boxes", None)):
        browser.click(".layers .q-checkbox", name)
        eventually(
            lambda end=end: (  # type: ignore[misc]  # a default argument binds
                browser.value(f"({overlay}?.src ?? null)?.slice(-7) ?? null") == end
            ),
            what=f"{name} is off",
        )
    assert browser.value("location.search") == "?class_names=civet&boxes=off&heat=off"
    assert browser.console() == []


def test_the_filter_fits_a_phone(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, "?class_names=leopard&min_probability=0.55", width=360)
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("live-filter-phone")


def test_a_filter_that_cannot_be_read_is_told(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, "?light=dawn")
    assert "light" in browser.text(".problem")
    assert len(browser.texts(".species")) >= 3


def test_what_the_page_has_no_room_for_is_a_page_away(
    browser: Browser, tmp_path: Path, broker: Broker, device: FieldDevice
) -> None:
    config = tmp_path / "dashboard.toml"
    config.write_text("[page]\nnewest = 2\n")
    # a name of its own: the broker keeps one connection of each name, and the module's has one
    options = ("--config", str(config), "--dashboard-id", "small")
    with running_dashboard(tmp_path, broker.url, *options) as dashboard:
        dashboard.wait_online()
        for seq, name in enumerate(("civet", "genet", "leopard"), 1):
            _send(device, seq=seq, class_name=name, light="day", probability=0.9)
            # one by one: those of one batch arrived at the same moment, and have no order
            eventually(partial(_holds, dashboard, seq), what=f"{name} is there")
        browser.forget()
        _open(browser, dashboard, "?light=day")
        assert browser.texts(".species") == ["leopard", "genet"]
        browser.click("a.older")
        eventually(lambda: browser.texts(".species") == ["civet"], what="the older ones are shown")
        assert "this list does not grow" in browser.text(".back")
        assert not browser.elements("a.older")[0].is_displayed()
        assert browser.value("location.search").startswith("?light=day&before=")
        browser.click(".back a")
        eventually(lambda: browser.texts(".species") == ["leopard", "genet"], what="back again")
