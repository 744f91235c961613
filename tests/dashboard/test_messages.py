from __future__ import annotations

import json
from typing import Any

import pytest

from edgeclip.contract.detection import MOST_BYTES
from edgeclip.contract.reports import Status
from edgeclip_dashboard.messages import (
    DetectionMessage,
    IgnoredMessage,
    InfoMessage,
    MalformedMessage,
    MediaMessage,
    PartMessage,
    StatusMessage,
    parse_message,
)
from support.samples import EPOCH, detection

PREFIX = "edgeclip/v1/demo/jetson-1/up"


def _parse(topic: str, payload: bytes) -> object:
    return parse_message(topic, payload, project="demo")


def _altered(**changes: Any) -> bytes:
    return json.dumps(json.loads(detection(seq=7).to_json()) | changes).encode()


def _malformed(payload: bytes, topic: str = f"{PREFIX}/detection/alert") -> MalformedMessage:
    message = _parse(topic, payload)
    assert isinstance(message, MalformedMessage)
    return message


def test_a_detection_is_read() -> None:
    message = _parse(f"{PREFIX}/detection/alert", detection(seq=7).to_json())
    assert isinstance(message, DetectionMessage)
    assert message.detection.seq == 7


def test_a_field_of_a_newer_device_is_ignored() -> None:
    assert isinstance(_parse(f"{PREFIX}/detection/alert", _altered(wind_speed=3)), DetectionMessage)


def test_status_info_and_media_are_read() -> None:
    status = Status(state="online", since=None, bdseq=1).to_json()
    assert isinstance(_parse(f"{PREFIX}/status", status), StatusMessage)
    media = _parse(f"{PREFIX}/media/{EPOCH}/3", b"bytes")
    assert media == MediaMessage("jetson-1", EPOCH, 3, b"bytes")


def test_a_part_of_a_media_file_is_read() -> None:
    part = _parse(f"{PREFIX}/media/{EPOCH}/3/2-5", b"bytes")
    assert part == PartMessage("jetson-1", EPOCH, 3, 2, 5, b"bytes")


@pytest.mark.parametrize("name", ["0-5", "6-5", "1-0", "-1-5", "a-b", "1-99999", "1", "1-2/3"])
def test_a_part_that_cannot_be_is_malformed(name: str) -> None:
    assert isinstance(_parse(f"{PREFIX}/media/{EPOCH}/3/{name}", b"x"), MalformedMessage)


def test_a_kind_of_a_later_version_is_ignored() -> None:
    assert _parse(f"{PREFIX}/weather", b"{}") == IgnoredMessage("weather")


def test_a_cleared_retained_status_is_ignored() -> None:
    assert _parse(f"{PREFIX}/status", b"") == IgnoredMessage("status")


def test_an_info_of_another_device_is_malformed() -> None:
    info = {
        "schema": "edgeclip.info/1", "device_id": "other", "project": "demo", "machine": "x",
        "deployment_id": "d", "camera_id": "c", "edgeclip_version": "1", "pack": None,
        "backend": None, "precision": None, "source": None, "started_at": None,
    }  # fmt: skip
    topic = f"{PREFIX}/info"
    assert "names jetson-1" in _malformed(json.dumps(info).encode(), topic).reason
    info["device_id"] = "jetson-1"
    assert isinstance(_parse(topic, json.dumps(info).encode()), InfoMessage)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"schema": "edgeclip.detection/2"}, "schema", id="another version"),
        pytest.param({"device_id": "jetson-2"}, "the topic names jetson-1", id="another device"),
        pytest.param({"project": "other"}, "the topic names", id="another project"),
        pytest.param({"severity": "routine"}, "severity routine on topic alert", id="severity"),
        pytest.param({"probability": 1.5}, "probability", id="probability above one"),
        pytest.param({"probability": "NaN"}, "probability", id="not a number"),
        pytest.param({"class_name": "x" * 65}, "class_name", id="name too long"),
        pytest.param({"failure": "engine_failed"}, "neither class nor probability", id="failure"),
        pytest.param({"rev": 2**70}, "too large to be stored", id="huge revision"),
        pytest.param({"scientific_name": "\x00"}, "NUL", id="NUL character"),
        pytest.param({"detection_id": "../../etc/passwd"}, "detection_id", id="path as id"),
        pytest.param({"scientific_name": "x" * MOST_BYTES}, "bytes, allowed are", id="huge"),
    ],
)
def test_a_wrong_detection_is_malformed_and_its_row_is_known(
    changes: dict[str, Any], reason: str
) -> None:
    message = _malformed(_altered(**changes))
    assert reason in message.reason
    assert message.row == (EPOCH, 7)
    assert message.device_id == "jetson-1"
    assert len(message.reason) <= 200


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="broken"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"epoch": 5, "seq": 1}', id="epoch of another type"),
        pytest.param(f'{{"epoch": "{EPOCH}", "seq": true}}'.encode(), id="seq of another type"),
        pytest.param(f'{{"epoch": "{EPOCH}", "seq": 0}}'.encode(), id="seq too small"),
        pytest.param(f'{{"epoch": "{EPOCH}", "seq": {2**63}}}'.encode(), id="seq too large"),
        pytest.param(f'{{"epoch": "{EPOCH}", "seq": {"9" * 5000}}}'.encode(), id="seq of 5000"),
    ],
)
def test_a_message_without_a_readable_row_is_malformed_without_one(payload: bytes) -> None:
    assert _malformed(payload).row is None


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.9Z"]
)
def test_a_time_that_no_clock_of_a_device_can_show_is_malformed(at: str) -> None:
    time = json.loads(detection().to_json())["time"] | {"best_at": at}
    assert "best_at is outside" in _malformed(_altered(time=time)).reason


def test_a_lone_surrogate_is_malformed() -> None:
    payload = _altered(class_name="SURROGATE").replace(b"SURROGATE", b"\\ud800")
    assert isinstance(_malformed(payload), MalformedMessage)


@pytest.mark.parametrize(
    "topic",
    [
        "edgeclip/v1/other/jetson-1/up/detection/alert",
        "edgeclip/v2/demo/jetson-1/up/status",
        "edgeclip/v1/demo/JETSON/up/status",
        "edgeclip/v1/demo/jetson-1/down/receipt",
        "$SYS/broker/version",
        "",
    ],
)
def test_a_foreign_topic_is_malformed_and_names_no_device(topic: str) -> None:
    assert _malformed(detection().to_json(), topic).device_id is None


@pytest.mark.parametrize("rest", ["", "x/0", f"{EPOCH}", f"{EPOCH}/x", f"{EPOCH}/0/1", "../0"])
def test_a_wrong_media_topic_is_malformed(rest: str) -> None:
    assert "DETECTION_ID/N" in _malformed(b"x", f"{PREFIX}/media/{rest}").reason


def test_a_huge_status_number_is_malformed() -> None:
    status = {"schema": "edgeclip.status/1", "state": "online", "since": None, "bdseq": 2**64}
    assert "too large" in _malformed(json.dumps(status).encode(), f"{PREFIX}/status").reason
