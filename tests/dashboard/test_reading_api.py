"""`/api/v1`, its description, exports and metrics, on a real store and without the guard."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip_dashboard.feed import LiveFeed
from edgeclip_dashboard.health import Health, LinkState
from edgeclip_dashboard.identity import Identity, Role, put_identity
from edgeclip_dashboard.inbox import Inbox
from edgeclip_dashboard.models_field import DeviceAlarm, HealthSample
from edgeclip_dashboard.models_notices import Notice
from edgeclip_dashboard.models_people import Deed
from edgeclip_dashboard.reading_api.export_route import add_export_route
from edgeclip_dashboard.reading_api.metrics import add_metrics_route
from edgeclip_dashboard.reading_api.routes import add_description, api_v1
from support.asked import asked_bank
from support.exported import fill, picture_of, place, say, source_of, visit
from support.rules import add_rule
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk


class Program:
    """A program that reads the API with a role."""

    def __init__(self, desk: Desk) -> None:
        self.role: Role = "viewer"
        app = FastAPI(openapi_url=None)
        router = api_v1(desk.engine)
        add_export_route(router, source_of(desk))
        add_description(app, router)
        health = Health(LinkState("online", "mqtt://127.0.0.1", datetime.now(timezone.utc)))
        feed = LiveFeed(desk.picture)
        feed.picture = desk.picture()
        add_metrics_route(app, health, Inbox(), feed)

        @app.middleware("http")
        async def identify(
            request: Request, go_on: Callable[[Request], Awaitable[Response]]
        ) -> Response:
            put_identity(request.scope, Identity("program", self.role))
            return await go_on(request)

        self.client = TestClient(app)

    def get(self, path: str, status: int = 200) -> Any:
        """Return the JSON at a path below `/api/v1`."""
        answer = self.client.get(f"/api/v1{path}")
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def program(desk: Desk) -> Iterator[Program]:
    started = Program(desk)
    with started.client:
        yield started


def test_a_detection_has_its_words_with_their_trust(desk: Desk, program: Program) -> None:
    told = asked_bank().told(np.array([0, 1, 0, 1], np.float32), "leopard")
    desk.commit(visit(1, attributes=told), visit(2))
    found = [one["attributes"] for one in program.get("/detections")["items"]]
    assert None in found
    [words] = [one for one in found if one]
    assert words["caption"] == "leopard (unverified: night, two animals)"
    assert [answer["verified"] for answer in words["answers"]] == [False, False]


def test_pages_of_detections_join_without_a_seam(desk: Desk, program: Program) -> None:
    sent = [visit(seq) for seq in range(1, 8)]
    desk.commit(*sent[:4])  # all of one commit came at the same time
    for detection in sent[4:]:
        desk.commit(detection)
    found, cursor = [], ""
    while True:
        page = program.get(f"/detections?limit=3{cursor}")
        found += [one["detection_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(found) == 7
    assert set(found) == {one.detection_id for one in sent}
    assert found[:3] == [one.detection_id for one in reversed(sent[4:])]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("class_names=hyena", {"other"}),
        ("reviewed=yes", {"right", "wrong", "other"}),
        ("reviewed=no&with_failures=false", {"told", "person", "unknown", "taken back"}),
        ("device_ids=absent", set()),
        ("with_tests=true&since=2026-05-01T11:00:00Z", {"a test"}),
        ("until=2026-05-01T03:30:00Z", {"told"}),
        ("min_probability=0.99", set()),
    ],
)
def test_every_filter_is_there(desk: Desk, program: Program, query: str, names: set[str]) -> None:
    stored = fill(desk)
    page = program.get(f"/detections?{query}")
    by_id = {detection.detection_id: name for name, detection in stored.items()}
    assert {by_id[one["detection_id"]] for one in page["items"]} == names


def test_a_detection_has_its_history_and_its_media(desk: Desk, program: Program) -> None:
    detection = visit(1)
    desk.commit(detection, picture_of(detection, 1))
    desk.commit(detection.model_copy(update={"rev": 1, "seq": 2, "phase": "end"}))
    say(desk, detection, "other", "hyena", note="spots")
    found = program.get(f"/detections/{detection.detection_id}")
    assert [one["rev"] for one in found["revisions"]] == [1, 0]
    assert [(one["class_name"], one["note"]) for one in found["verdicts"]] == [("hyena", "spots")]
    assert found["media"][0]["url"] == f"/media/{detection.media[0].sha256}.jpg"
    assert (found["threshold"], found["phase"]) == (0.6, "end")
    program.get(f"/detections/{'0' * 36}", status=404)


def test_verdicts_are_read_on_from_the_last_one(desk: Desk, program: Program) -> None:
    detection = visit(1)
    desk.commit(detection)
    for word in ("right", "wrong", "right"):
        say(desk, detection, word)
    first = program.get("/verdicts?limit=2")
    second = program.get(f"/verdicts?limit=2&after={first['next']}")
    words = [one["verdict"] for one in (*first["items"], *second["items"])]
    assert words == ["right", "wrong", "right"]
    assert second["next"] is None


def test_devices_have_alarms_and_health(desk: Desk, program: Program) -> None:
    desk.commit(visit(1))
    at = {"received_at": AT, "device_id": "jetson-1"}
    figures = dict.fromkeys(("power_w", "temperature_c", "free_mb", "outbox_rows", "fps"), None)
    rest: dict[str, Any] = figures | {"infer_p95_ms": None, "feature_distance": None}
    with Session(desk.engine) as session, session.begin():
        session.add(DeviceAlarm(code="disk_low", since=AT, detail="full", over_at=AT, **at))
        session.add(DeviceAlarm(code="battery_low", since=AT, detail="11 V", over_at=None, **at))
        for hour in range(3):
            when = AT + timedelta(hours=hour)
            sample = HealthSample(
                device_id="jetson-1", at=when, payload="{}", battery_v=12.0, **rest
            )
            session.add(sample)
    assert [one["device_id"] for one in program.get("/devices")] == ["jetson-1"]
    codes = [one["code"] for one in program.get("/devices/jetson-1/alarms")]
    assert codes == ["battery_low", "disk_low"]
    newest = program.get("/devices/jetson-1/health?limit=2")
    assert [one["at"][:13] for one in newest] == ["2026-05-01T04", "2026-05-01T03"]
    later = program.get("/devices/jetson-1/health?since=2026-05-01T03:30:00Z")
    assert len(later) == 1


def test_deployments_are_as_people_wrote_them(desk: Desk, program: Program) -> None:
    desk.commit(visit(1))
    place(desk, name="Ridge", habitat="miombo")
    [found] = program.get("/deployments")
    assert (found["name"], found["habitat"], found["latitude"]) == ("Ridge", "miombo", -3.123456)


@pytest.mark.parametrize(
    "path",
    [
        "/detections?limit=0",
        "/detections?limit=1001",
        "/detections?cursor=bm9uZQ==",
        "/detections?cursor=%ff",
        "/detections?class_name=leopard",
        "/detections?class_names=a%00b",
        "/detections?since=2026-05-01",
        "/detections/..%2f..%2fetc",
        "/detections/nothing",
        "/devices/UPPER/health",
        "/verdicts?after=-1",
    ],
)
def test_what_is_wrong_is_refused(program: Program, path: str) -> None:
    answer = program.client.get(f"/api/v1{path}")
    assert answer.status_code in (404, 422)


def test_the_description_names_every_route_and_every_filter(program: Program) -> None:
    described = program.client.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        f"/api/v1{path}"
        for path in (
            "/detections", "/detections/{detection_id}", "/verdicts", "/devices",
            "/devices/{device_id}/alarms", "/devices/{device_id}/health", "/deployments",
            "/export/{kind}",
        )
    }  # fmt: skip
    asked = described["paths"]["/api/v1/detections"]["get"]["parameters"]
    names = {one["name"] for one in asked}
    assert {"class_names", "deployment_ids", "since", "light", "reviewed", "cursor"} <= names
    assert described["security"] == [{"token": []}]


def test_a_viewer_exports_nothing(desk: Desk, program: Program) -> None:
    fill(desk)
    program.get("/export/csv", status=403)


def test_an_export_is_a_whole_file_and_a_deed(desk: Desk, program: Program) -> None:
    fill(desk)
    program.role = "reviewer"
    answer = program.client.get("/api/v1/export/camtrap-dp?obscure=0.1&reviewed=yes")
    assert answer.status_code == 200, answer.text
    assert 'filename="demo-camtrap-dp.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("datapackage.json"))["coordinatePrecision"] == 0.1
    with Session(desk.engine) as session:
        [deed] = session.scalars(select(Deed))
    assert (deed.account_name, deed.subject) == ("program", "camtrap-dp, 3 detections")


def test_every_format_can_be_fetched(desk: Desk, program: Program) -> None:
    fill(desk)
    program.role = "admin"
    for kind in ("md-json", "csv", "csv-frames", "geojson"):
        answer = program.client.get(f"/api/v1/export/{kind}?with_people=true")
        assert answer.status_code == 200, answer.text
        assert len(answer.content) > 100


def test_an_export_that_cannot_be_says_why(desk: Desk, program: Program) -> None:
    desk.commit(visit(1))
    program.role = "reviewer"
    told = program.get("/export/camtrap-dp", status=409)["detail"]
    assert "needs coordinates, which are unknown of ridge-2026" in told
    assert "leave_out_unplaced=true in an address" in told
    left_out = program.client.get("/api/v1/export/camtrap-dp?leave_out_unplaced=true")
    assert left_out.status_code == 200
    assert "grids of 1, 0.1" in program.get("/export/csv?obscure=0.3", status=422)["detail"]
    program.get("/export/xml", status=422)


def test_metrics_are_what_prometheus_reads(desk: Desk) -> None:
    add_rule(desk.engine)
    desk.commit(visit(1), visit(4))
    with Session(desk.engine) as session, session.begin():
        session.get_one(Notice, 1).state = "failed"
    text = Program(desk).client.get("/metrics").text
    lines = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in text.splitlines()}
    assert lines["edgeclip_stored_detections"] == "2.0"
    assert lines["edgeclip_missing_rows"] == "2.0"
    assert lines["edgeclip_link_online"] == "1.0"
    assert lines["edgeclip_waiting_notices"] == lines["edgeclip_failed_notices"] == "1.0"
    assert lines["edgeclip_waiting_deliveries"] == "0.0"
    assert lines['edgeclip_devices{state="online"}'] == "0.0"
    assert lines["edgeclip_revisions_total"] == "0.0"
