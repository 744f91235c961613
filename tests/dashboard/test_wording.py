from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from edgeclip_dashboard import wording
from edgeclip_dashboard.health import LinkState
from edgeclip_dashboard.ledger import Gap
from edgeclip_dashboard.queries import DeviceView
from support.dashboards import sample
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.93, "93 %"), (0.9999, ">99 %"), (1.0, "100 %"), (0.001, "<1 %"), (0.0, "0 %"),
        (0.994, "99 %"), (None, ""),
    ],
)  # fmt: skip
def test_percent_never_claims_certainty_by_rounding(
    probability: float | None, expected: str
) -> None:
    assert wording.percent(probability) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (2, "just now"), (59, "59 s ago"), (60, "1 min ago"), (3599, "59 min ago"),
        (7200, "2 h ago"), (200_000, "2 d ago"), (-3600, "1 h ahead of this clock"),
    ],
)  # fmt: skip
def test_how_long_ago_is_told_in_one_unit(seconds: int, expected: str) -> None:
    assert wording.ago(AT, AT + timedelta(seconds=seconds)) == expected


def test_an_unknown_time_is_said_to_be_unknown() -> None:
    assert wording.ago(None, AT) == "time unknown"
    assert wording.utc(None) == "time unknown"


def test_a_time_is_told_in_utc() -> None:
    assert wording.utc(AT) == "2026-05-01 02:03:04 UTC"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param("Africa/Nairobi", "2026-05-01 05:03:04 EAT", id="a zone with a name"),
        pytest.param("America/Manaus", "2026-04-30 22:03:04 UTC-04", id="a zone without one"),
        pytest.param("Asia/Kathmandu", "2026-05-01 07:48:04 UTC+0545", id="of quarters"),
    ],
)
def test_a_time_is_told_by_the_clock_of_its_place(zone: str, expected: str) -> None:
    assert wording.local(AT, ZoneInfo(zone)) == expected


def test_a_failure_is_called_one_and_never_blank(desk: Desk) -> None:
    changes = {"class_name": None, "probability": None, "failure": "engine_failed", "votes": None}
    desk.commit(sample(**changes))
    view = desk.only()
    assert wording.title(view) == "Failure: engine failed"
    assert wording.votes(view) == ""


def test_an_unnamed_detection_is_told_by_its_type(desk: Desk) -> None:
    desk.commit(sample(class_name=None, observation_type="unknown"))
    assert wording.title(desk.only()) == "unknown"


def test_class_place_phase_and_votes_are_told(desk: Desk) -> None:
    desk.commit(sample(class_name="african_wild_dog", phase="update"))
    view = desk.only()
    assert wording.title(view) == "african wild dog"
    assert wording.place(view) == "ridge-2026 · north · jetson-1"
    assert wording.phase(view) == "ongoing"
    assert wording.votes(view) == "3 of 3 frames"
    assert wording.votes(replace(view, votes_frames=1, votes_agreeing=1)) == "1 of 1 frame"


def _device(**changes: object) -> DeviceView:
    nothing: dict[str, object] = dict.fromkeys(DeviceView.__dataclass_fields__)
    return DeviceView(**(nothing | {"device_id": "d", "gaps": ()} | changes))  # type: ignore[arg-type]  # a table of test values


def test_a_devices_state_is_told_with_its_reason() -> None:
    device = _device(state="stopped", since=AT, reason="shutdown")
    told = wording.device_state(device, AT + timedelta(minutes=3))
    assert told == "stopped since 2026-05-01 02:03:04 UTC (3 min ago): shutdown"
    assert wording.device_state(_device(), AT) == "no status yet"


def test_missing_rows_are_counted_and_the_first_ranges_listed() -> None:
    assert wording.device_gaps(_device()) == ""
    one = _device(gaps=(Gap("d", "e", 4, 4),))
    assert wording.device_gaps(one) == "1 row not received: 4"
    many = _device(gaps=tuple(Gap("d", "e", 10 * n, 10 * n + 1) for n in range(1, 8)))
    told = wording.device_gaps(many)
    assert told == "14 rows not received: 10-11, 20-21, 30-31, 40-41, 50-51, .."


def test_the_link_is_told_in_a_sentence() -> None:
    online = LinkState("online", "mqtt://farm:1883", AT)
    assert wording.link(online) == "Connected to mqtt://farm:1883"
    waiting = replace(online, name="waiting", error="connection refused", retry_in_s=2.0)
    assert wording.link(waiting) == "No connection to mqtt://farm:1883: connection refused"
    assert "Connecting" in wording.link(replace(online, name="connecting"))
    assert wording.link(replace(online, name="stopped")) == "Stopped"


def test_a_place_is_told_by_its_name_where_it_has_one(desk: Desk) -> None:
    desk.commit(sample())
    view = desk.only()
    assert wording.place(view, {view.deployment_id: "North ridge"}).startswith("North ridge · ")
    assert wording.place(view, {"else": "x"}).startswith(f"{view.deployment_id} · ")


def test_a_verdict_of_another_species_names_it(desk: Desk) -> None:
    desk.commit(sample())
    view = desk.only()
    assert wording.verdict(view) == ""
    assert wording.verdict(replace(view, verdict="wrong")) == "wrong"
    other = replace(view, verdict="other", verdict_class="bush_pig")
    assert wording.verdict(other) == "is bush pig"


def test_volts_have_one_decimal() -> None:
    assert (wording.volts(12.44), wording.volts(None)) == ("12.4 V", "")


def test_the_last_day_of_all_calendars_is_told_in_utc_where_the_place_is_a_day_on() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone.utc)
    assert wording.local(last, ZoneInfo("Africa/Nairobi")) == "9999-12-31 23:59:00 UTC"
