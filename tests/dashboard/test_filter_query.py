from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from starlette.datastructures import QueryParams

from edgeclip.errors import ConfigError
from edgeclip_dashboard.filter_query import EVERYTHING, filter_from, query_from
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.overlays import Layers
from edgeclip_dashboard.pages.asked import Asked, asked_from

ID = "0196a7c5-6800-79d7-baa4-4201ea1b234f"


def test_an_address_without_a_filter_asks_for_everything() -> None:
    assert filter_from(QueryParams("")) == EVERYTHING
    assert query_from(EVERYTHING) == ""


def test_each_field_of_a_filter_comes_back_from_its_address() -> None:
    shown = DetectionFilter(
        class_names=("leopard", "bush pig & co"), deployment_ids=("ridge",), device_ids=("j-1",),
        severity="alert", since=datetime(2026, 5, 1, tzinfo=timezone.utc),
        until=datetime(2026, 5, 2, 3, 4, 5, tzinfo=timezone.utc), min_probability=0.5,
        max_probability=0.9, light="night", reviewed="no", with_tests=False, with_failures=False,
    )  # fmt: skip
    assert all(
        getattr(shown, name) != getattr(EVERYTHING, name) for name in DetectionFilter.model_fields
    )
    assert filter_from(QueryParams(query_from(shown))) == shown


def test_a_key_that_is_none_of_a_filters_is_left_alone() -> None:
    assert filter_from(QueryParams("utm=1&light=day")).light == "day"


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"filter: light: .* found 'dawn'"):
        filter_from(QueryParams("light=dawn"))


def test_a_page_keeps_overlays_and_where_it_begins_in_its_address() -> None:
    asked = Asked(DetectionFilter(light="day", with_tests=True), Layers(heat=False), ID)
    assert asked.query() == f"light=day&heat=off&before={ID}"
    assert asked_from(QueryParams(asked.query())) == asked


def test_what_cannot_be_read_is_told_and_everything_is_shown() -> None:
    asked = asked_from(QueryParams("min_probability=2"))
    assert asked.is_everything
    assert "min_probability" in asked.problem


def test_a_page_that_begins_at_no_detection_is_the_newest() -> None:
    assert asked_from(QueryParams("before=%00")).before is None


def test_a_nul_character_is_refused_before_a_database_can() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        filter_from(QueryParams("class_names=a&class_names=%00"))


def test_a_typed_time_is_by_the_projects_clock() -> None:
    typed = filter_from(QueryParams("since=2026-05-01"), zone=ZoneInfo("Africa/Nairobi"))
    assert typed.since == datetime(2026, 4, 30, 21, tzinfo=timezone.utc)
    told = filter_from(QueryParams("since=2026-05-01T00:00Z"), zone=ZoneInfo("Africa/Nairobi"))
    assert told.since == datetime(2026, 5, 1, tzinfo=timezone.utc)
