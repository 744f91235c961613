from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_notices import Rule
from edgeclip_dashboard.notices.rules import RuleForm, is_urgent, rule_from_row

AT = datetime(2026, 5, 1, 23, tzinfo=timezone.utc)
LOST: dict[str, Any] = {"occurred_at": AT - timedelta(weeks=3), "first_received_at": AT}
CHANNEL = "json://127.0.0.1:9/t0ken"


def _form(**values: Any) -> RuleForm:
    return RuleForm(**({"name": "leopards", "channels": (CHANNEL,)} | values))


def _row(**values: Any) -> DetectionRow:
    known = {
        "class_name": "leopard",
        "scientific_name": "Panthera pardus",
        "observation_type": "animal",
        "deployment_id": "ridge-2026",
        "severity": "alert",
        "phase": "new",
        "probability": 0.93,
        "occurred_at": AT,
        "is_test": False,
        "is_historical": False,
    }
    return DetectionRow(**(known | values))


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({}, id="a rule without conditions"),
        pytest.param({"class_names": ("hyena", "Leopard")}, id="one of the species, any case"),
        pytest.param({"class_names": ("panthera pardus",)}, id="by its scientific name"),
        pytest.param({"deployment_ids": ("ridge-2026",)}, id="the place"),
        pytest.param({"severities": ("alert",)}, id="the severity"),
        pytest.param({"min_probability": 0.93}, id="at the least probability"),
        pytest.param({"from_hour": "22:00", "to_hour": "05:00"}, id="the hour"),
    ],
)
def test_a_rule_matches(rule: dict[str, Any]) -> None:
    assert _form(**rule).matches(_row())


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        pytest.param({"class_names": ("hyena",)}, {}, id="another species"),
        pytest.param({"deployment_ids": ("valley",)}, {}, id="another place"),
        pytest.param({"severities": ("routine",)}, {}, id="another severity"),
        pytest.param({"min_probability": 0.94}, {}, id="less probable"),
        pytest.param({"from_hour": "05:00", "to_hour": "22:00"}, {}, id="another hour"),
        pytest.param({}, {"observation_type": "blank"}, id="a blank"),
        pytest.param({}, {"phase": "retract"}, id="what was taken back"),
        pytest.param(
            {"min_probability": 0.1}, {"probability": None, "failure": "x"}, id="a failure"
        ),
    ],
)
def test_a_rule_does_not_match(rule: dict[str, Any], row: dict[str, Any]) -> None:
    assert not _form(**rule).matches(_row(**row))


def test_a_failure_is_told_where_no_species_is_asked_for() -> None:
    failed = _row(class_name=None, scientific_name=None, probability=None, failure="engine_failed")
    assert _form().matches(failed)
    assert not _form(class_names=("leopard",)).matches(failed)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"channels": ()}, "a rule needs a channel", id="no channel"),
        pytest.param({"channels": ("dbus://x",)}, "channel 1: dbus://", id="a desk's channel"),
        pytest.param({"from_hour": "22:00"}, "hours need a beginning", id="half a window"),
        pytest.param(
            {"quiet_from": "22:00", "quiet_to": "22:00"}, "quiet hours need", id="an empty window"
        ),
        pytest.param({"escalate_after_s": 600}, "escalation needs both", id="half an escalation"),
        pytest.param({"time_zone": "Mars/Olympus"}, "IANA time zone", id="no such zone"),
        pytest.param({"from_hour": "24:00", "to_hour": "05:00"}, "pattern", id="no such hour"),
        pytest.param({"name": "   "}, "at least 1 character", id="no name"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _form(**values)


def test_a_row_gives_the_rule_back_and_its_text_shows_no_channel() -> None:
    form = _form(
        class_names=("leopard",), escalate_after_s=600, escalate_channels=("tgram://1:secret/2",)
    )
    row = Rule(**form.to_columns(), created_by="admin", created_at=AT)
    assert rule_from_row(row) == form
    assert "t0ken" not in repr(form)
    assert "secret" not in repr(form)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({}, True, id="an alert of now"),
        pytest.param({"severity": "routine"}, False, id="routine"),
        pytest.param({"is_test": True}, False, id="a test"),
        pytest.param({"is_historical": True}, False, id="sent late"),
        pytest.param({"occurred_at": AT - timedelta(hours=7)}, False, id="seven hours old"),
        pytest.param(LOST | {"clock": "untrusted"}, True, id="by a clock that is wrong"),
        pytest.param(LOST | {"clock": "trusted"}, False, id="weeks old"),
        pytest.param(LOST | {"clock": "put_right"}, False, id="weeks old, put right"),
        pytest.param(
            LOST | {"clock": "untrusted", "is_historical": True}, False, id="late, wrong clock"
        ),
    ],
)
def test_only_an_alert_of_now_is_urgent(row: dict[str, Any], expected: bool) -> None:
    assert is_urgent(_row(**row), AT) is expected


def test_the_hour_of_what_comes_by_a_wrong_clock_is_that_of_its_arrival() -> None:
    rule = _form(from_hour="22:00", to_hour="05:00")
    noon = AT.replace(hour=12)
    assert rule.matches(_row(occurred_at=noon, clock="untrusted", first_received_at=AT))
    assert not rule.matches(_row(occurred_at=noon, clock="trusted", first_received_at=AT))
