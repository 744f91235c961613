from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.contract.topics import DeviceTopics, all_devices, dashboard_status, parse_up_topic
from support.samples import EPOCH

TOPICS = DeviceTopics("demo", "jetson-1")


def test_topics_follow_the_layout() -> None:
    assert TOPICS.status == "edgeclip/v1/demo/jetson-1/up/status"
    assert TOPICS.detection("alert") == "edgeclip/v1/demo/jetson-1/up/detection/alert"
    assert TOPICS.receipt == "edgeclip/v1/demo/jetson-1/down/receipt"
    assert all_devices("demo") == "edgeclip/v1/demo/+/up/#"
    assert dashboard_status("demo") == "edgeclip/v1/demo/dashboard/status"


@pytest.mark.parametrize(
    ("topic", "kind", "rest"),
    [
        (TOPICS.status, "status", ()),
        (TOPICS.info, "info", ()),
        (TOPICS.detection("routine"), "detection", ("routine",)),
        (TOPICS.media(EPOCH, 2), "media", (EPOCH, "2")),
    ],
    ids=["status", "info", "detection", "media"],
)
def test_a_devices_topic_is_taken_apart(topic: str, kind: str, rest: tuple[str, ...]) -> None:
    parsed = parse_up_topic(topic)
    assert parsed is not None
    assert (parsed.project, parsed.device_id) == ("demo", "jetson-1")
    assert (parsed.kind, parsed.rest) == (kind, rest)


@pytest.mark.parametrize("project", ["", "+", "#", "a/b", "Demo", "x" * 33])
def test_ids_that_would_break_a_topic_are_refused(project: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        DeviceTopics(project, "jetson-1")


@given(st.text(max_size=60))
def test_any_other_topic_is_none_and_no_error(topic: str) -> None:
    assert parse_up_topic(topic) is None


def test_downward_topics_are_not_upward() -> None:
    assert parse_up_topic(TOPICS.receipt) is None
