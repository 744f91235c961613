"""What a device tells of itself, as it comes by MQTT."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeclip_dashboard.messages import IgnoredMessage, MalformedMessage, parse_message
from edgeclip_dashboard.messages_field import (
    AlarmMessage,
    ClockFixMessage,
    HealthMessage,
    LogMessage,
    ReplyMessage,
)
from support.dashboards import fresh_id
from support.reports_of_a_device import DEVICE, alarm, clock_fix, health, log_of, reply

PREFIX = f"edgeclip/v1/demo/{DEVICE}/up"
COMMAND = fresh_id()


def _parse(kind: str, payload: bytes) -> object:
    return parse_message(f"{PREFIX}/{kind}", payload, project="demo")


def _reason(kind: str, document: dict[str, Any] | bytes) -> str:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    message = _parse(kind, payload)
    assert isinstance(message, MalformedMessage)
    assert message.device_id == DEVICE
    return message.reason


def _health(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(health().to_json())
    return document | changes


def test_each_kind_is_read() -> None:
    told = health().to_json()
    assert _parse("health", told) == HealthMessage(health(), told)
    assert _parse("alarm/disk_low", alarm().to_json()) == AlarmMessage(DEVICE, "disk_low", alarm())
    assert _parse("log", log_of("begins").to_json()) == LogMessage(log_of("begins"))
    assert _parse("clockfix", clock_fix().to_json()) == ClockFixMessage(DEVICE, clock_fix())
    answer = reply(COMMAND)
    assert _parse(f"reply/{COMMAND}", answer.to_json()) == ReplyMessage(answer)


def test_an_empty_alarm_is_over_and_other_empty_messages_say_nothing() -> None:
    assert _parse("alarm/disk_low", b"") == AlarmMessage(DEVICE, "disk_low", None)
    assert _parse("alarm/of_a_later_version", b"") == IgnoredMessage("alarm")
    for kind in ("health", "log", "clockfix", f"reply/{COMMAND}"):
        assert isinstance(_parse(kind, b""), IgnoredMessage)


def test_a_field_of_a_newer_device_is_passed_over() -> None:
    assert isinstance(_parse("health", json.dumps(_health(wind_mps=3)).encode()), HealthMessage)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"device_id": "jetson-2"}, "the topic names jetson-1", id="another device"),
        pytest.param({"uptime_s": -1}, "uptime_s", id="below zero"),
        pytest.param({"outbox": {"rows": 2**70}}, "too large to be stored", id="huge number"),
        pytest.param({"infer": {"count": -(2**70)}}, "count", id="number below all"),
        pytest.param({"at": "0001-01-01T00:00:00+14:00"}, "outside", id="before all time"),
        pytest.param({"power": {"mode_name": "\x00"}}, "NUL", id="NUL character"),
        pytest.param({"power": {"battery_v": "x" * 20_000}}, "bytes, allowed", id="huge"),
    ],
)
def test_a_wrong_health_is_malformed(changes: dict[str, Any], reason: str) -> None:
    assert reason in _reason("health", _health(**changes))


def test_a_number_that_is_none_is_malformed() -> None:
    told = health().to_json().replace(b'"battery_v":12.6', b'"battery_v":Infinity')
    assert "battery_v is not a finite number" in _reason("health", told)
    answer = reply(COMMAND, data={"free": 1.5}).to_json().replace(b"1.5", b"NaN")
    assert "not a finite number" in _reason(f"reply/{COMMAND}", answer)


@pytest.mark.parametrize(
    "rest", ["alarm", "alarm/", "alarm/../x", "alarm/a/b", "alarm/" + "x" * 33]
)
def test_an_alarm_on_a_topic_of_no_code_is_malformed(rest: str) -> None:
    assert "alarm/CODE" in _reason(rest, alarm().to_json())


def test_an_alarm_of_another_code_is_malformed() -> None:
    assert "disk_low on the topic of overtemp" in _reason("alarm/overtemp", alarm().to_json())


def test_a_reply_on_another_commands_topic_is_malformed() -> None:
    assert "another command's topic" in _reason(f"reply/{fresh_id()}", reply(COMMAND).to_json())
    other = reply(COMMAND, device_id="jetson-2").to_json()
    assert "the topic names jetson-1" in _reason(f"reply/{COMMAND}", other)


def test_a_log_with_the_health_of_another_device_is_malformed() -> None:
    log = log_of("x", health=[health(device_id="jetson-2")]).to_json()
    assert "the topic names jetson-1, the log jetson-2" in _reason("log", log)


def test_a_log_entry_with_a_huge_number_is_malformed() -> None:
    document = json.loads(log_of("x").to_json())
    document["entries"][0]["n"] = 2**63
    assert "too large to be stored" in _reason("log", document)


def test_a_reply_nested_without_end_is_malformed() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    payload = reply(COMMAND).to_json().replace(b'"data":{}', b'"data":{"x":' + deep + b"}")
    assert isinstance(_parse(f"reply/{COMMAND}", payload), MalformedMessage)
