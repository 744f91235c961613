"""Which devices the live page has room for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import DeviceTopics
from edgeclip_dashboard.ledger import Gap
from edgeclip_dashboard.pages.devices import MOST_DEVICES, most_wanted
from edgeclip_dashboard.queries import DeviceView
from support.brokers import Broker
from support.browsers import Browser
from support.dashboards import eventually, field_device, running_dashboard
from support.samples import AT, EPOCH


def _device(number: int, **changes: Any) -> DeviceView:
    known: dict[str, Any] = dict.fromkeys(DeviceView.__dataclass_fields__)
    seen = {"last_detection_at": AT + timedelta(minutes=number), "gaps": ()}
    return DeviceView(**known | seen | {"device_id": f"d-{number:04}", "state": "online"} | changes)


def _numbers(views: tuple[DeviceView, ...]) -> list[int]:
    return [int(view.device_id[2:]) for view in views]


def test_a_small_fleet_is_shown_whole_and_as_it_is() -> None:
    views = tuple(_device(number) for number in range(MOST_DEVICES))
    assert most_wanted(views) == views


def test_of_a_large_fleet_those_are_shown_that_saw_something_last() -> None:
    views = tuple(_device(number) for number in range(1000))
    assert _numbers(most_wanted(views)) == list(range(1000 - MOST_DEVICES, 1000))


def test_those_in_trouble_come_first_however_long_ago_they_saw_something() -> None:
    views = [_device(number) for number in range(1000)]
    views[3] = _device(3, state="offline")
    views[1] = _device(1, gaps=(Gap("d-0001", EPOCH, 2, 3),))
    views[2] = _device(2, state="sleeping")
    views[4] = _device(4, state=None, last_detection_at=None)
    shown = _numbers(most_wanted(tuple(views)))
    assert shown[:3] == [1, 3, 4]
    assert 2 not in shown
    assert len(shown) == MOST_DEVICES


@pytest.mark.broker
@pytest.mark.browser
def test_the_live_page_leads_from_the_panel_to_the_whole_fleet(
    browser: Browser, tmp_path: Path, broker: Broker
) -> None:
    with (
        running_dashboard(tmp_path, broker.url) as dashboard,
        field_device(broker.url, "jetson-1") as device,
    ):
        dashboard.wait_online()
        fleet = [DeviceTopics("demo", f"jetson-{number}") for number in range(1, 31)]
        now = datetime.now(timezone.utc)
        for number, topics in enumerate(fleet, 1):
            said = Status(state="offline" if number == 30 else "online", since=now, bdseq=1)
            device.publish(topics.status, said.to_json())
        browser.sign_in(dashboard.url, dashboard.cookie)
        browser.open(dashboard.url)
        eventually(lambda: "29 of 30 devices" in browser.text(".counts"), what="all have spoken")
        assert len(browser.elements("article.device")) == MOST_DEVICES
        assert browser.texts("article.device h3")[0] == "jetson-30"
        device.send(device.sample(seq=1))
        seen = "article.device[aria-label^='Device jetson-1:']"
        eventually(lambda: "last detection" in browser.text(seen), what="its card is there")
        lost = Status(state="offline", since=now, bdseq=2).to_json()
        device.publish(fleet[19].status, lost)
        first = ["jetson-20", "jetson-30"]
        eventually(lambda: browser.texts("article.device h3")[:2] == first, what="it comes first")
        browser.keep("device-panel")
        assert browser.console() == []
        browser.click(".devices a.action")
        eventually(lambda: "30 devices, 28 online" in browser.text("main"), what="it leads there")
