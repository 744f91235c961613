"""Teaching in a real Chromium: snapshots of a real broker, a real bundle, the real `teach`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.clip import DEMO, load_backbone
from edgeclip.contract.bundle import read_bundle, read_bundled_pack
from edgeclip.contract.pack import filled_for
from edgeclip.contract.signing import make_key
from edgeclip.packs import load_pack
from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set
from edgeclip.teaching.request import TeachRequest
from edgeclip.teaching.teach import teach
from edgeclip_device.rollout.delivery import believer, unwrap, wrap
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.config import BundleConfig
from edgeclip_export.differences import golden_checks
from edgeclip_export.ort_graph import OrtGraph
from edgeclip_export.sign import sign_bundle
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, eventually, field_device, fresh_id, running_dashboard
from support.feature_sets import Told, told_scenes
from support.sign_ins import Visit

pytestmark = [pytest.mark.broker, pytest.mark.browser]

AT = datetime(2026, 5, 1, tzinfo=timezone.utc)
PLAN = ImageSetPlan({"elephant": 6, "zebra": 6}, locations=2, seed=11)
TEACHING_S = 120.0


@dataclass(frozen=True)
class Site:
    """A dashboard with a pack on its shelf, and the bundle that devices run.

    Attributes:
        dashboard: Serves.
        bundle: Of the devices.
        public: Whose signature they believe.
        twin: A detection with the shot of another one.
    """

    dashboard: Dashboard
    bundle: Path
    public: Path
    twin: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    scenes = write_image_set(folder / "scenes", ImageSetPlan({"impala": 2}, locations=2, seed=4))
    images = tuple(sorted(scenes.parent.rglob("*.jpg")))
    request = TeachRequest(images=images, name="impala", backbone=DEMO, out=folder / "pack")
    teach(request, created_at=AT)
    bundle = write_bundle(BundleConfig(folder / "pack", folder / "bundle"), lambda _: None).folder
    public = make_key(folder / "key")
    sign_bundle(bundle, folder / "key")
    shelf = folder / "packs"
    shelf.mkdir()
    wrap(bundle, folder / "upload.zip")
    config = folder / "dashboard.toml"
    config.write_text(
        f'[commands]\nkey_file = "{folder / "key"}"\npacks = "{shelf}"\n'
        f'[teaching]\nkey_file = "{folder / "key"}"\n'
    )
    with running_dashboard(folder, broker.url, "--config", str(config)) as running:
        running.wait_online()
        with field_device(broker.url) as device:
            scenes_told = list(told_scenes(load_backbone(DEMO), PLAN))
            twin = _twin(scenes_told[0], seq=7)
            for told in (*scenes_told, twin):
                device.send(told.detection)
                device.send_media(told.detection, told.jpeg)
        eventually(lambda: len(running.detections()) == 13, what="all are stored")
        yield Site(running, bundle, public, twin.detection.detection_id)


def _twin(told: Told, seq: int) -> Told:
    """Return another detection of the same shot, in a file of its own."""
    jpeg = told.jpeg[:2] + b"\xff\xfe\x00\x06twin" + told.jpeg[2:]  # a comment
    [media] = told.detection.media
    own = {"sha256": hashlib.sha256(jpeg).hexdigest(), "size_bytes": len(jpeg)}
    update = {
        "detection_id": fresh_id(),
        "seq": seq,
        "media": [media.model_copy(update=own)],
    }
    return Told(told.detection.model_copy(update=update), jpeg)


def _open(browser: Browser, site: Site, path: str, width: int = 1300, height: int = 1000) -> None:
    browser.sign_in(site.dashboard.url, site.dashboard.cookie)
    browser.open(site.dashboard.url + path, width=width, height=height)
    eventually(lambda: "Connected to" in browser.text(".link"), what="the page is alive")


def _ids(site: Site, name: str) -> list[str]:
    return [d["detection_id"] for d in site.dashboard.detections() if d["class_name"] == name]


def test_without_a_pack_the_page_says_what_is_missing(browser: Browser, site: Site) -> None:
    _open(browser, site, "/teach")
    assert "There is no pack to build on yet" in browser.text(".teach")
    _open(browser, site, "/packs")
    browser.elements("input[type=file]")[0].send_keys(str(site.dashboard.folder / "upload.zip"))
    eventually(lambda: "impala@1.0.0" in browser.text(".offer"), what="the pack is taken")


def test_three_snapshots_become_a_pack_that_a_device_takes(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    ids = [one for one in _ids(site, "elephant") if one != site.twin]
    first, second, third = ids[-1], ids[0], site.twin
    _open(browser, site, f"/detections/{first}")
    browser.click("a.action", "Teach this")
    eventually(lambda: "1 of at most 5 chosen" in browser.text(".teach"), what="it is chosen")
    for own in (second, third):
        card = f'[data-detection-id="{own}"]'
        browser.click(f".choice:has({card}) .mark")
    eventually(lambda: "3 of at most 5" in browser.text(".teach"), what="three are chosen")
    browser.elements(".teach-form input[name=name]")[0].send_keys("elephant")
    browser.click(".teach-form button[type=submit]")
    told = eventually(
        lambda: browser.text(".answer.good"), what="it is taught", patience_s=TEACHING_S
    )
    assert "taught-impala@1.1.0 lies on the page Packs" in told
    assert "elephant: taught from 3 images" in told
    assert "UNVERIFIED" in told
    assert browser.value("document.querySelector('.answer a').pathname") == "/packs"
    assert browser.texts(".answer .notice")[0].startswith("some images show nearly the same shot")
    mark = browser.value("document.querySelector('.menu [aria-current]').innerText")
    assert mark.endswith("Review")
    browser.keep("teach")
    browser.click(".ground")
    eventually(
        lambda: "taught-impala@1.1.0" in browser.text(".q-item"), what="it can be built on at once"
    )
    assert browser.console() == []
    _is_taken_by_a_device(site, tmp_path)

    _open(browser, site, "/deeds")
    assert "elephant from 3 images, on taught-impala@1.0.0" in browser.text("main")


def _is_taken_by_a_device(site: Site, folder: Path) -> None:
    """Unwrap the newest delivery as a device does, and run its golden frames through the graph."""
    shelf = sorted((site.dashboard.folder / "packs").glob("*.zip"), key=lambda p: p.stat().st_mtime)
    unwrap(shelf[-1], folder / "new", site.bundle, believer([site.public]))
    manifest = read_bundle(folder / "new")
    assert read_bundled_pack(folder / "new", manifest, "taught-impala").version == "1.1.0"
    pack = load_pack(folder / "new/packs/taught-impala/1.1.0")
    assert pack.manifest.class_names[-2:] == ["impala", "elephant"]
    slots = filled_for(manifest.graph, manifest.base, pack.tensors)
    found = OrtGraph(folder / "new" / manifest.graph_for("onnxruntime").file).run(
        pack.golden.images, slots
    )
    assert all(check.passed for check in golden_checks("taught", pack.golden, found))


def test_the_taught_pack_can_be_sent_from_the_page_of_packs(browser: Browser, site: Site) -> None:
    _open(browser, site, "/packs")
    browser.click(".shelf")
    browser.click(".q-item", "impala@1.1.0")
    eventually(lambda: "impala@1.1.0" in browser.text(".offer"), what="it is looked into")
    assert "Send it" in browser.text(".offer")


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "1 to 64 letters"), ("<img src=x onerror=alert(1)>", "is made of letters"),
     ("--help", "is made of letters"), ("impala", "knows impala already")],
)  # fmt: skip
def test_a_name_that_cannot_be_taught_is_refused_as_text(
    browser: Browser, site: Site, name: str, said: str
) -> None:
    _open(browser, site, f"/teach?detection={_ids(site, 'elephant')[0]}")
    if name:
        browser.elements(".teach-form input[name=name]")[0].send_keys(name)
    browser.click(".teach-form button[type=submit]")
    told = eventually(
        lambda: browser.text(".answer.bad"), what="it is refused", patience_s=TEACHING_S
    )
    assert said in told
    assert browser.console() == []


def test_none_chosen_and_a_sixth_are_refused(browser: Browser, site: Site) -> None:
    _open(browser, site, "/teach")
    browser.elements(".teach-form input[name=name]")[0].send_keys("gnu")
    browser.click(".teach-form button[type=submit]")
    eventually(lambda: "choose 1 to 5 detections" in browser.text(".answer"), what="none is said")
    for mark in browser.elements(".mark")[:6]:
        mark.click()
    eventually(lambda: "5 are the most" in browser.text("body"), what="a sixth is refused")
    assert "5 of at most 5" in browser.text(".teach")


def test_it_fits_a_phone_in_the_dark(browser: Browser, site: Site) -> None:
    browser.sign_in(site.dashboard.url, site.dashboard.cookie)
    browser.prefer_dark(is_dark=True)
    browser.open(f"{site.dashboard.url}/teach", width=360, height=800)
    eventually(lambda: len(browser.elements(".mark")) == 13, what="the detections")
    browser.keep("teach-phone")
    browser.prefer_dark(is_dark=False)
    assert browser.value("document.documentElement.scrollWidth") <= 360


def test_a_wrong_bundle_is_told_at_the_start_and_on_the_page(
    browser: Browser, broker: Broker, tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    config = tmp_path / "dashboard.toml"
    config.write_text(f'[teaching]\nkey_file = "{tmp_path / "key"}"\nbundle = "nowhere"\n')
    with running_dashboard(tmp_path, broker.url, "--config", str(config)) as running:
        said = "[teaching].bundle: there is no folder nowhere: check the path"
        eventually(lambda: f"nothing can be taught: {said}" in "".join(running.errors), what="log")
        browser.sign_in(running.url, running.cookie)
        browser.open(f"{running.url}/teach")
        eventually(lambda: said in browser.text(".teach"), what="the page says it")
        assert browser.elements(".teach-form") == []


def test_viewers_get_neither_the_page_nor_the_button(site: Site) -> None:
    stranger = Visit(site.dashboard.url)
    assert stranger.get("/teach").status == 303
