"""The packs that lie here, on the page `/packs` in a real Chromium: why one stays, and removing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.signing import make_key
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, FieldDevice, eventually, running_dashboard
from support.deliveries import Team
from support.reports_of_a_device import DEVICE, info

pytestmark = [pytest.mark.broker, pytest.mark.browser]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shelf with two versions of a pack, as uploads leave it."""
    team = Team(tmp_path_factory.mktemp("work") / "team")
    folder = tmp_path_factory.mktemp("packs")
    for version in ("1.1.0", "1.2.0"):
        made = team.delivery(version)
        shutil.copyfile(made, folder / f"{sha256_file(made)}.zip")
    return folder


@pytest.fixture(scope="module")
def dashboard(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, device: FieldDevice, packs: Path
) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    config = folder / "dashboard.toml"
    make_key(folder / "key")
    config.write_text(f'[commands]\npacks = "{packs}"\nkey_file = "{folder / "key"}"\n')
    with running_dashboard(folder, broker.url, "--config", str(config)) as running:
        running.wait_online()
        told = info(pack="leopard@1.2.0").to_json()
        device.publish(f"edgeclip/v1/demo/{DEVICE}/up/info", told, retain=True)
        eventually(lambda: running.get("/api/devices"), what="the device has spoken")
        yield running


def test_a_pack_that_no_device_needs_is_removed_after_a_question(
    browser: Browser, dashboard: Dashboard, packs: Path
) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/packs", width=360, height=800)
    eventually(lambda: f"Stays: runs on {DEVICE}" in browser.text(".kept-packs"), what="the shelf")
    assert browser.value("document.documentElement.scrollWidth") <= 360
    [button] = browser.elements(".kept-packs button")
    assert button.accessible_name == "Remove leopard@1.1.0"
    browser.keep("pack-shelf-phone")
    _choose(browser, "leopard@1.1.0")
    button.send_keys("\n")
    eventually(lambda: "Remove leopard@1.1.0?" in browser.text(".q-dialog"), what="the question")
    assert len(list(packs.glob("*.zip"))) == 2
    [yes] = eventually(
        lambda: [one for one in browser.elements(".q-dialog button") if one.text == "Remove"],
        what="the answer that removes",
    )
    yes.send_keys("\n")
    eventually(lambda: "leopard@1.1.0 is removed" in browser.text(".answer"), what="it is told")
    eventually(lambda: len(browser.elements(".kept-packs li")) == 1, what="the list follows")
    assert len(list(packs.iterdir())) == 1
    eventually(lambda: browser.text(".offer") == "", what="it is offered no more")
    browser.click(".shelf")
    eventually(lambda: browser.texts(".q-menu .q-item") == ["leopard@1.2.0"], what="what is left")
    assert browser.console() == []
    browser.open(f"{dashboard.url}/deeds", width=1280, height=800)
    eventually(lambda: "pack removed" in browser.text(".deeds"), what="the deed")


def _choose(browser: Browser, name: str) -> None:
    """Choose a pack that lies here, and see it offered under the same name."""
    browser.click(".shelf")
    browser.click(".q-menu .q-item", name)
    eventually(lambda: "Send it" in browser.text(".offer"), what="it is offered")
    assert browser.text(".offer .asked-name") == name
