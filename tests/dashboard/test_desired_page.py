"""The page `/desired` in a real Chromium: who differs, why, and following without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from edgeclip.contract.reports import Status
from edgeclip.contract.signing import make_key, read_private_key
from edgeclip_dashboard.database import database_url, join_database
from edgeclip_dashboard.field.asking import Asking, Author
from edgeclip_dashboard.field.deliveries import Delivery, PackShelf
from edgeclip_dashboard.field.sending import PackSending
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, FieldDevice, eventually, field_device, running_dashboard
from support.deliveries import Team
from support.reports_of_a_device import DEVICE, info, reply
from support.shelves import ADMIN
from support.sign_ins import Visit

pytestmark = [pytest.mark.broker, pytest.mark.browser]

WELL, AWAY = "ridge-2", "swamp-3"


@dataclass
class Fleet:
    """A dashboard, three devices, and what was sent to them; the pack as it was uploaded.

    Attributes:
        dashboard: Serves.
        sending: Writes down what is sent, beside the dashboard.
        delivery: A pack.
    """

    dashboard: Dashboard
    sending: PackSending
    delivery: Delivery

    def send(self, device_id: str) -> str:
        """Send the pack to a device, and return the command's id."""
        return self.sending.send(ADMIN, device_id, self.delivery)


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, device: FieldDevice
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("dashboard")
    make_key(folder / "key")
    team = Team(tmp_path_factory.mktemp("work") / "team")
    shelf = PackShelf(folder / "packs", 10_000_000)
    place = shelf.place_for_upload()
    place.write_bytes(team.delivery("1.1.0").read_bytes())
    delivery = shelf.take_in(place)
    config = folder / "dashboard.toml"
    config.write_text(f'[commands]\npacks = "{folder / "packs"}"\n')
    with running_dashboard(folder, broker.url, "--config", str(config)) as running:
        running.wait_online()
        _speak(device, DEVICE, "leopard@1.0.0", "online")
        for name, pack, state in ((WELL, "leopard@1.1.0", "online"), (AWAY, "x@1.0.0", "offline")):
            with field_device(broker.url, name) as other:
                _speak(other, name, pack, state)
        eventually(lambda: len(running.get("/api/devices")) == 3, what="all have spoken")
        url = database_url(str(folder / "detections.sqlite"))
        with join_database(url, project="demo") as engine:
            author = Author("demo", "elsewhere", read_private_key(folder / "key"))
            asking = Asking(engine, author, lambda *_: True, lambda: None)
            yield Fleet(running, PackSending(engine, asking, shelf, lambda *_: True), delivery)


def _speak(device: FieldDevice, name: str, pack: str, state: str) -> None:
    """Let a device say what it runs, and how it is."""
    topic = f"edgeclip/v1/demo/{name}/up"
    since = datetime.now(timezone.utc) - timedelta(hours=2)
    status = Status.model_validate({"state": state, "since": since, "bdseq": 1})
    device.publish(f"{topic}/info", info(device_id=name, pack=pack).to_json(), retain=True)
    device.publish(f"{topic}/status", status.to_json(), retain=True)


def _answer(device: FieldDevice, command_id: str, state: str, **changes: str) -> None:
    told = reply(command_id, state, name="pack_add", **changes)
    device.publish(f"edgeclip/v1/demo/{DEVICE}/up/reply/{command_id}", told.to_json())


def _card(browser: Browser, name: str) -> str:
    return next((told for told in browser.texts("a.device") if told.startswith(name)), "")


def test_a_device_is_followed_from_sent_to_as_desired(
    browser: Browser, fleet: Fleet, device: FieldDevice
) -> None:
    first = fleet.send(DEVICE)
    browser.sign_in(fleet.dashboard.url, fleet.dashboard.cookie)
    browser.open(f"{fleet.dashboard.url}/desired", width=1280, height=900)
    eventually(lambda: "on its way" in _card(browser, DEVICE), what="the pack is on its way")
    eventually(lambda: browser.value("window.socket?.connected"), what="it is connected")
    assert "leopard@1.1.0" in _card(browser, DEVICE)
    assert "no answer yet" in _card(browser, DEVICE)
    assert browser.value("document.documentElement.scrollWidth") <= 1280
    tops = "new Set([...document.querySelectorAll('.menu a')].map(one => one.offsetTop)).size"
    assert browser.value(tops) == 1  # an admin's whole menu is one row
    assert browser.value("document.querySelector('.menu [aria-current]').innerText").endswith(
        "Desired"
    )
    _answer(device, first, "refused", reason="key 00ff is not known here: add it <b>now</b>")
    eventually(lambda: "refused: key 00ff" in _card(browser, DEVICE), what="the refusal")
    assert "Last error" in _card(browser, DEVICE)
    assert "<b>now</b>" in _card(browser, DEVICE)
    assert browser.texts("a.device h2")[0] == DEVICE  # who differs comes first
    fleet.send(AWAY)
    _answer(device, fleet.send(DEVICE), "done")
    eventually(lambda: "taken, and runs beside" in _card(browser, DEVICE), what="the shadow run")
    eventually(lambda: "device is offline" in _card(browser, AWAY), what="why the other one waits")
    browser.keep("desired")
    device.publish(
        f"edgeclip/v1/demo/{DEVICE}/up/info", info(pack="leopard@1.1.0").to_json(), retain=True
    )
    eventually(lambda: "as desired" in _card(browser, DEVICE), what="it runs what it shall")
    assert browser.console() == []


def test_only_those_that_differ_are_left_by_keyboard(
    browser: Browser, fleet: Fleet, device: FieldDevice
) -> None:
    _answer(device, fleet.send(DEVICE), "failed", reason="the disk is full")
    browser.sign_in(fleet.dashboard.url, fleet.dashboard.cookie)
    browser.open(f"{fleet.dashboard.url}/desired")
    eventually(lambda: len(browser.texts("a.device")) == 3, what="all are shown")
    eventually(lambda: browser.value("window.socket?.connected"), what="it is connected")
    device.publish(
        f"edgeclip/v1/demo/{DEVICE}/up/info", info(pack="leopard@1.0.0").to_json(), retain=True
    )
    eventually(lambda: "the disk is full" in _card(browser, DEVICE), what="it differs")
    [only] = browser.elements(".q-checkbox")
    only.send_keys(" ")
    eventually(lambda: len(browser.texts("a.device")) == 1, what="one is left")
    browser.elements(".find input")[0].send_keys("nowhere")
    eventually(lambda: "None of these." in browser.text("main"), what="none of that name")


@pytest.mark.parametrize("is_dark", [False, True])
def test_it_fits_a_phone(browser: Browser, fleet: Fleet, *, is_dark: bool) -> None:
    browser.sign_in(fleet.dashboard.url, fleet.dashboard.cookie)
    browser.prefer_dark(is_dark=is_dark)
    browser.open(f"{fleet.dashboard.url}/desired", width=360, height=800)
    eventually(lambda: len(browser.texts("a.device")) == 3, what="all are shown")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.keep(f"desired-phone-{'dark' if is_dark else 'light'}")
    browser.prefer_dark(is_dark=False)


def test_strangers_get_nothing_of_it(fleet: Fleet) -> None:
    assert Visit(fleet.dashboard.url).get("/desired").status in (302, 303, 401)
