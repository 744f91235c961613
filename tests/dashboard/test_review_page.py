"""Review by keyboard and the page of a detection, in a real Chromium."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip.contract.detection import AppliedThresholds
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    fresh_id,
    jpeg,
    media_ref,
    running_dashboard,
)

pytestmark = [pytest.mark.broker, pytest.mark.browser]

ENTER, TAB, LEFT = "\ue007", "\ue004", "\ue012"
SENT = (("leopard", 0.61), ("bush_pig", 0.55), ("civet", 0.95), ("leopard", 0.97))


@pytest.fixture
def device(broker: Broker) -> Iterator[FieldDevice]:
    with field_device(broker.url) as connected:
        yield connected


@pytest.fixture
def dashboard(tmp_path: Path, broker: Broker, device: FieldDevice) -> Iterator[Dashboard]:
    """One that holds four detections; in review they come in the order of `SENT`, last first."""
    with running_dashboard(tmp_path, broker.url) as running:
        running.wait_online()
        for seq, (name, probability) in enumerate(SENT, 1):
            data = jpeg(seq, (640, 400))
            told = device.sample(
                seq=seq, class_name=name, probability=probability, media=[media_ref(data)],
                severity="alert" if name == "leopard" else "routine",
                thresholds=AppliedThresholds(on=0.6, off=0.4, peak=0.7),
            )  # fmt: skip
            device.send(told)
            device.send_media(told, data)
        eventually(lambda: running.health()["store"]["counts"]["media"] == 4, what="all is there")
        yield running


def _open(browser: Browser, dashboard: Dashboard, path: str, width: int = 1400) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(dashboard.url + path, width=width)
    eventually(lambda: browser.value("window.socket?.connected"), what="the page is connected")


def _verdicts(dashboard: Dashboard) -> dict[str, tuple[str | None, str | None]]:
    return {
        f"{row['class_name']} {row['probability']}": (row["verdict"], row["verdict_class"])
        for row in dashboard.detections()
    }


def _wait_for(browser: Browser, species: str, probability: str) -> None:
    eventually(
        lambda: (browser.text(".species"), browser.text(".probability")) == (species, probability),
        what=f"{species} {probability} is at hand",
    )


def test_all_is_reviewed_by_keyboard_the_doubtful_first(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "/review")
    _wait_for(browser, "leopard", "61 %")
    browser.keep("review")
    browser.press("r")
    _wait_for(browser, "bush pig", "55 %")
    browser.press("o")
    eventually(
        lambda: browser.value("document.activeElement.tagName") == "INPUT", what="a name is asked"
    )
    browser.press(f"civ{TAB}{ENTER}")
    _wait_for(browser, "leopard", "97 %")
    browser.press("w")
    _wait_for(browser, "civet", "95 %")
    browser.press(LEFT)
    _wait_for(browser, "leopard", "97 %")
    assert "you said" in browser.text(".facts")
    browser.press("n")
    _wait_for(browser, "civet", "95 %")
    browser.press("r")
    eventually(lambda: "Nothing is left" in browser.text(".empty"), what="all is reviewed")
    assert "You have judged 4 detections." in browser.text(".empty")
    assert browser.value("document.querySelector('.verdicts').offsetParent") is None
    assert _verdicts(dashboard) == {
        "leopard 0.61": ("right", "leopard"), "bush_pig 0.55": ("other", "civet"),
        "leopard 0.97": ("wrong", None), "civet 0.95": ("right", "civet"),
    }  # fmt: skip
    assert browser.console() == []


def test_what_is_skipped_is_not_judged_and_the_filter_narrows(
    browser: Browser, dashboard: Dashboard
) -> None:
    _open(browser, dashboard, "/review?class_names=leopard")
    _wait_for(browser, "leopard", "61 %")
    browser.press("s")
    _wait_for(browser, "leopard", "97 %")
    browser.press("n")
    _wait_for(browser, "leopard", "61 %")
    assert set(_verdicts(dashboard).values()) == {(None, None)}


def test_who_judges_what_the_device_says_no_more_is_shown_what_it_says_now(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    _open(browser, dashboard, "/review")
    _wait_for(browser, "leopard", "61 %")
    [row] = [row for row in dashboard.detections() if row["probability"] == 0.61]
    changed = {"class_name": "boar", "probability": 0.62, "rev": 1, "seq": 5}
    device.send(device.sample(detection_id=row["detection_id"], **changed))
    eventually(lambda: "boar 0.62" in _verdicts(dashboard), what="the revision is stored")
    browser.press("r")
    _wait_for(browser, "boar", "62 %")
    assert "by now: look again" in browser.text(".q-notification")
    assert _verdicts(dashboard)["boar 0.62"] == (None, None)
    browser.press("r")
    eventually(lambda: _verdicts(dashboard)["boar 0.62"] == ("right", "boar"), what="it is judged")


def test_a_verdict_that_cannot_be_stored_says_so(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, "/review")
    _wait_for(browser, "leopard", "61 %")
    with contextlib.closing(sqlite3.connect(dashboard.folder / "detections.sqlite")) as database:
        database.execute("ALTER TABLE verdicts RENAME TO away")
        browser.press("r")
        eventually(
            lambda: "It could not be stored: try again" in browser.text("body"), what="it is told"
        )
        database.execute("ALTER TABLE away RENAME TO verdicts")
    assert browser.text(".species") == "leopard"
    browser.press("r")
    _wait_for(browser, "bush pig", "55 %")


def test_on_a_phone_it_is_judged_by_touch(browser: Browser, dashboard: Dashboard) -> None:
    _open(browser, dashboard, "/review", width=360)
    _wait_for(browser, "leopard", "61 %")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("review-phone")
    browser.click(".verdicts .wrong")
    _wait_for(browser, "bush pig", "55 %")
    assert _verdicts(dashboard)["leopard 0.61"] == ("wrong", None)


def test_the_page_of_a_detection_has_all_revisions_and_verdicts(
    browser: Browser, dashboard: Dashboard, device: FieldDevice
) -> None:
    [newest] = [row for row in dashboard.detections() if row["probability"] == 0.97]
    _open(browser, dashboard, f"/detections/{newest['detection_id']}")
    assert browser.texts("h1") == ["leopard"]
    eventually(lambda: "Nobody has said" in browser.text("main"), what="nobody has said anything")
    browser.press("w")
    eventually(
        lambda: browser.texts(".panel .history tbody tr td")[:2] == ["wrong", "admin"],
        what="the verdict stands in the history",
    )
    told = device.sample(
        detection_id=newest["detection_id"], rev=1, seq=5, phase="end", probability=0.98
    )
    device.send(told)
    eventually(
        lambda: browser.text("section[aria-label=Revisions] tbody").count("UTC") == 2,
        what="the later revision appears",
    )
    assert "wrong" in browser.text(".badge.verdict")
    browser.keep("detection")
    assert browser.console() == []


def test_the_page_of_a_detection_fits_a_phone(browser: Browser, dashboard: Dashboard) -> None:
    [newest, *_] = dashboard.detections()
    _open(browser, dashboard, f"/detections/{newest['detection_id']}", width=360)
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep("detection-phone")


def test_an_address_of_no_detection_says_so(browser: Browser, dashboard: Dashboard) -> None:
    for address in ("nothing", fresh_id()):
        _open(browser, dashboard, f"/detections/{address}")
        assert browser.texts("h1") == ["No such detection"]
