"""Search by words in a real Chromium: from a device's MQTT message to what the page shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from edgeclip.clip import DEMO, load_backbone
from edgeclip.scenes.image_sets import ImageSetPlan
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import Dashboard, eventually, field_device, running_dashboard
from support.feature_sets import told_scenes

pytestmark = [pytest.mark.broker, pytest.mark.browser]

PLAN = ImageSetPlan({"zebra": 6, "elephant": 6}, locations=2, seed=11)
LOADING_S = 120.0  # of torch and the text tower, on a busy machine


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    """A dashboard that has received twelve detections with features and pictures."""
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        with field_device(broker.url) as device:
            for told in told_scenes(load_backbone(DEMO), PLAN):
                device.send(told.detection)
                device.send_media(told.detection, told.jpeg)
        eventually(lambda: len(running.detections()) == 12, what="all are stored")
        yield running


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    """A dashboard whose text encoder is not installed."""
    folder = tmp_path_factory.mktemp("bare")
    program = folder / "edgeclip"
    program.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n"
    )
    program.chmod(0o700)
    settings = folder / "dashboard.toml"
    settings.write_text(f'dashboard_id = "bare"\n[search]\nprogram = "{program}"\n')
    with running_dashboard(folder, broker.url, "--config", str(settings)) as running:
        yield running


def _hits(dashboard: Dashboard, query: str) -> Any:
    """Return what the route answers; the first time it has to load the text encoder."""

    def answer() -> Any:
        with contextlib.suppress(TimeoutError):
            return dashboard.get(f"/api/search?{query}")

    return eventually(answer, what=query, patience_s=LOADING_S)


def _classes(browser: Browser) -> list[str]:
    return [name.lower() for name in browser.texts(".detection .species")]


def test_the_route_ranks_by_words_and_filter(dashboard: Dashboard) -> None:
    found = _hits(dashboard, "words=a+zebra&limit=4")
    assert (found["searched"], found["of_other_encoders"], len(found["hits"])) == (12, 0, 4)
    assert [hit["class_name"] for hit in found["hits"]] == ["zebra"] * 4
    assert found["hits"][0]["media"][0]["url"].startswith("/media/")
    narrowed = _hits(dashboard, "words=a+zebra&class_names=elephant&light=night")
    assert {hit["class_name"] for hit in narrowed["hits"]} == {"elephant"}
    assert {hit["deployment_id"] for hit in narrowed["hits"]} == {"night-post"}


@pytest.mark.parametrize(
    "query", ["", "words=", f"words={'x' * 201}", "words=a&light=dim", "words=a&limit=0"]
)
def test_a_query_that_is_none_is_refused(dashboard: Dashboard, query: str) -> None:
    assert "hits" not in dashboard.get(f"/api/search?{query}")


def test_the_page_shows_the_most_alike_first_and_the_filter_narrows(
    dashboard: Dashboard, browser: Browser
) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    browser.open(f"{dashboard.url}/search?words=a+zebra", width=1200, height=900)
    eventually(lambda: len(_classes(browser)) == 12, what="hits", patience_s=LOADING_S)
    assert _classes(browser)[:4] == ["zebra"] * 4
    assert "12 of 12 detections with image features" in browser.text("[role=status].status")
    drawn = "[...document.images].slice(0, 4).every(one => one.complete)"
    eventually(lambda: browser.value(drawn), what="the pictures of the first row")
    browser.keep("search")
    browser.open(
        f"{dashboard.url}/search?words=a+zebra&class_names=elephant", width=390, height=844
    )
    eventually(lambda: len(_classes(browser)) == 6, what="hits of the filter")
    assert set(_classes(browser)) == {"elephant"}
    browser.keep("search-phone")
    clear = "[...document.links].find(one => one.innerText == 'Show everything').href"
    assert browser.value(clear).endswith("/search?words=a+zebra")
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert browser.console() == []


def test_words_are_text_and_nothing_else(dashboard: Dashboard, browser: Browser) -> None:
    browser.sign_in(dashboard.url, dashboard.cookie)
    hostile = "%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D%27owned%27%22%3E"
    browser.open(f"{dashboard.url}/search?words={hostile}")
    eventually(lambda: len(_classes(browser)) == 12, what="hits", patience_s=LOADING_S)
    assert browser.title != "owned"
    assert browser.console() == []


def test_without_a_text_encoder_the_page_says_what_to_do(
    without_torch: Dashboard, browser: Browser
) -> None:
    browser.sign_in(without_torch.url, without_torch.cookie)
    browser.open(f"{without_torch.url}/search?words=fox")
    said = eventually(lambda: browser.text(".problem"), what="the reason")
    assert "pip install 'edgeclip[train]'" in said
    assert "[search].program" in said
    assert "pip install" in without_torch.get("/api/search?words=fox")["detail"]
