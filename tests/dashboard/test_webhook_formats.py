from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from edgeclip.contract.detection import Clock, Time
from support.dashboards import sample
from support.listeners import http_listener
from support.partners import SECRET, Partner, revision
from support.rules import deliveries

if TYPE_CHECKING:
    from dashboard.conftest import Desk


@pytest.fixture
def partner(desk: Desk) -> Iterator[Partner]:
    with http_listener() as server:
        yield Partner(desk, server)


def test_earthranger_is_posted_an_event_that_a_retract_resolves(partner: Partner) -> None:
    partner.hook("/api/v1.0/activity/events", format="earthranger", event_type="leopard_rep")
    partner.server.status = 201
    partner.server.answer = b'{"data": {"id": "9d55bb9f-9fb5"}, "status": {"code": 201}}'
    first = sample()
    partner.store(first, revision(first, 1, "update"))
    partner.place(-1.5, 36.25)
    partner.later()
    [heard] = partner.server.heard
    assert heard.headers["authorization"] == f"Bearer {SECRET}"
    assert heard.json() == {
        "event_type": "leopard_rep",
        "title": "leopard 93 % at North ridge",
        "time": "2026-05-01T02:03:04+00:00",
        "priority": 300,
        "location": {"latitude": -1.5, "longitude": 36.25},
        "event_details": {
            "detection_id": first.detection_id,
            "device_id": "jetson-1",
            "deployment_id": "ridge-2026",
            "camera_id": "north",
            "class_name": "leopard",
            "scientific_name": None,
            "observation_type": "animal",
            "probability": 0.93,
            "severity": "alert",
        },
    }
    partner.store(revision(first, 2, "retract"))
    partner.later()
    changed = partner.server.heard[-1]
    assert (changed.method, changed.path) == ("PATCH", "/api/v1.0/activity/event/9d55bb9f-9fb5")
    assert changed.json()["state"] == "resolved"


def test_gundi_is_posted_an_event_that_a_retract_resolves(partner: Partner) -> None:
    partner.hook("/v2/events/", format="gundi", event_type="camera_trap")
    partner.server.answer = b'[{"object_id": "b6f1-22"}]'
    first = sample()
    partner.store(first)
    partner.place(-1.5, 36.25)
    partner.later()
    [heard] = partner.server.heard
    assert heard.headers["apikey"] == SECRET
    event = heard.json()
    assert event["location"] == {"lat": -1.5, "lon": 36.25}
    assert (event["source"], event["event_type"]) == ("jetson-1", "camera_trap")
    assert event["recorded_at"] == "2026-05-01T02:03:04+00:00"
    partner.store(revision(first, 1, "retract"))
    partner.later()
    changed = partner.server.heard[-1]
    assert (changed.method, changed.path) == ("PATCH", "/v2/events/b6f1-22/")
    assert changed.json() == {"state": "resolved"}


def test_an_event_that_is_taken_back_before_it_was_sent_is_sent_and_resolved(
    partner: Partner,
) -> None:
    partner.hook("/api/v1.0/activity/events", format="earthranger", event_type="leopard_rep")
    partner.server.answer = b'{"data": {"id": "9d55bb9f-9fb5"}}'
    first = sample()
    partner.store(first, revision(first, 1, "retract"))
    partner.later()
    assert [heard.method for heard in partner.server.heard] == ["POST", "PATCH"]


@pytest.mark.parametrize("shown", ["1970-01-01T00:05:00+00:00", None])
def test_an_event_by_a_wrong_clock_is_of_when_it_arrived(
    partner: Partner, shown: str | None
) -> None:
    partner.hook("/api/v1.0/activity/events", format="earthranger", event_type="leopard_rep")
    clock = Clock(trusted=False, source="none")
    at = datetime.fromisoformat(shown) if shown else None
    time = Time(started_at=at, best_at=at, ended_at=None, boot_ns=1, clock=clock)
    partner.store(sample(time=time))
    partner.later()
    [heard] = partner.server.heard
    assert heard.json()["time"] == partner.clock.at.isoformat()


def test_gundi_without_coordinates_says_where_to_write_them(partner: Partner) -> None:
    partner.hook("/v2/events/", format="gundi", event_type="camera_trap")
    partner.store(sample())
    partner.later()
    [delivery] = deliveries(partner.desk.engine)
    assert delivery.state == "failed"
    assert "write those of ridge-2026 on the page of deployments" in delivery.error
    assert partner.server.heard == []


def test_tests_blanks_failures_and_what_was_never_told_make_no_event(partner: Partner) -> None:
    partner.hook("/v2/events/", format="gundi", event_type="camera_trap")
    failed = {"failure": "engine_failed", "class_name": None, "probability": None}
    partner.store(
        sample(seq=1, test=True),
        sample(seq=2, observation_type="blank", class_name="blank"),
        sample(seq=3, **failed),
        sample(seq=4, phase="update"),
        sample(seq=5, phase="retract"),
    )
    partner.later()
    assert partner.server.heard == []
    assert partner.states() == ["sent"]


def test_a_name_from_another_system_that_is_no_name_is_not_used(partner: Partner) -> None:
    partner.hook("/v2/events/", format="gundi", event_type="camera_trap")
    partner.server.answer = b'{"object_id": "../../admin"}'
    first = sample()
    partner.store(first)
    partner.place(0, 0)
    partner.later()
    partner.store(revision(first, 1, "retract"))
    partner.later()
    assert [heard.method for heard in partner.server.heard] == ["POST"]
