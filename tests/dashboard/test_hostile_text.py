"""Every text that a device can send, as an attack, on every page, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from sqlalchemy.orm import Session

from edgeclip.contract.reports import Status
from edgeclip_dashboard.database import database_url, join_database
from edgeclip_dashboard.models_field import CommandRow
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import (
    Dashboard,
    FieldDevice,
    eventually,
    field_device,
    jpeg,
    media_ref,
    running_dashboard,
    sample,
)
from support.hostile import ATTACK, hostile
from support.reports_of_a_device import alarm, health, info, log_of, reply
from support.routes import all_routes
from support.rules import add_rule
from support.samples import EPOCH

pytestmark = [pytest.mark.broker, pytest.mark.browser]

SHOWN = ("/", "/devices/jetson-1", "/notices", "/malformed")
"""Pages that show texts of a device; the others are opened, too."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker.url) as running:
        running.wait_online()
        _let_texts_be_shown(running)
        with field_device(broker.url) as device:
            _attack(device)
            _fail(device)
            eventually(lambda: len(running.detections()) == 2, what="both are stored")
            eventually(lambda: running.get("/api/devices")[0]["machine"], what="so is the info")
            yield running


def _let_texts_be_shown(dashboard: Dashboard) -> None:
    """Store a command, whose reply is shown then, and a rule, whose notices are."""
    url = database_url(str(dashboard.folder / "detections.sqlite"))
    with join_database(url, project="demo") as engine:
        add_rule(engine)
        with Session(engine) as session, session.begin():
            at = datetime.now(timezone.utc)
            command = CommandRow(
                command_id=EPOCH, device_id="jetson-1", name="logs", args="{}",
                account_name="admin", issued_at=at, not_after=at, dashboard_id="dashboard",
                key_id="0", counter=1, state="sent", reason="", data="{}",
            )  # fmt: skip
            session.add(command)


def _attack(device: FieldDevice) -> None:
    """Send one message of each kind, all of whose texts are attacks."""
    now = datetime.now(timezone.utc)
    data = jpeg()
    seen, attacked = hostile(sample(seq=1, scientific_name="Panthera", media=[media_ref(data)]))
    assert {"class_name", "scientific_name", "pack.task", "top.0.0"} <= set(attacked)
    device.send(seen)
    device.send_media(seen, data)
    status, attacked = hostile(Status(state="stopped", since=now, bdseq=1, reason="why"))
    assert attacked == ["reason"]
    device.publish(device.topics.status, status.to_json())
    born, attacked = hostile(info(degraded_precision="why", module="board", l4t="36"))
    assert {"machine", "pack", "source", "packs_available.0"} <= set(attacked)
    device.publish(device.topics.info, born.to_json())
    well, attacked = hostile(health(now))
    assert "power.mode_name" in attacked
    device.publish(device.topics.health, well.to_json())
    stands, attacked = hostile(alarm())
    assert attacked == ["detail"]
    device.publish(device.topics.retained("alarm/disk_low"), stands.to_json())
    log, attacked = hostile(log_of("text"))
    assert "entries.0.text" in attacked
    device.publish(device.topics.log, log.to_json())
    answer = {"text": "answer", "lines": ["line"], "jpeg": "no picture"}
    said, attacked = hostile(reply(EPOCH, name="logs", reason="why", data=answer))
    assert {"reason", "data.text", "data.lines.0", "data.jpeg"} <= set(attacked)
    device.publish(device.topics.reply(EPOCH), said.to_json())
    device.publish(f"{device.topics.prefix}/up/{ATTACK.replace('/', '')}", ATTACK.encode())


def _fail(device: FieldDevice) -> None:
    """Send a failure whose code is an attack, and what is malformed."""
    changes = {"class_name": None, "probability": None, "failure": ATTACK, "votes": None}
    device.send(device.sample(seq=2, observation_type="unclassified", **changes))
    device.publish(device.topics.detection("alert"), ATTACK.encode())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, dashboard: Dashboard) -> list[str]:
    """Every page that there is, with what it is about filled in."""
    [leopard] = [row for row in dashboard.detections() if row["media"]]
    names = {
        "device_id": "jetson-1",
        "detection_id": leopard["detection_id"],
        "deployment_id": "ridge-2026",
    }
    routes = [route for route in all_routes(tmp_path_factory.mktemp("routes")) if route.is_page]
    return [
        re.sub(r"\{(\w+)[^}]*\}", lambda found: names.get(found[1], "1"), route.path) or "/"
        for route in routes
    ]


def test_no_text_of_a_device_is_more_than_text_on_any_page(
    browser: Browser, dashboard: Dashboard, pages: list[str]
) -> None:
    assert set(SHOWN) <= set(pages)
    for path in pages:
        browser.sign_in(dashboard.url, dashboard.cookie)
        browser.open(dashboard.url + path)
        eventually(lambda: browser.texts("h1"), what=f"{path} is built")
        if path in SHOWN:
            shown = f"{path} shows the attack as text"
            eventually(lambda: ATTACK in browser.value("document.body.innerText"), what=shown)
        assert browser.value("window.owned === undefined"), path
        assert browser.elements("img[src='x']") == [], path
        assert [url for url in browser.requested() if url.endswith("/x")] == [], path
        assert not any("owned" in line for line in browser.console()), path
    browser.keep("hostile-last-page")
    browser.open(f"{dashboard.url}/devices/jetson-1")
    eventually(
        lambda: ATTACK in browser.text(".asked-details"), what="a reply is shown, and as text"
    )


def test_what_the_api_hands_on_is_told_to_be_no_page(dashboard: Dashboard) -> None:
    from support.sign_ins import Visit

    name, _, value = dashboard.cookie.partition("=")
    visit = Visit(dashboard.url, {name: value})
    for path in ("/api/detections", "/api/devices", "/healthz"):
        answer = visit.get(path)
        assert answer.headers["content-type"] == "application/json", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
    assert ATTACK in str(dashboard.detections())
