from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeclip.contract.detection import Detection, is_identifier, new_id
from edgeclip.contract.receipts import Receipt, Refusal, compress
from edgeclip.contract.reports import Info, Status
from support.samples import AT, EPOCH, detection


def test_a_detection_survives_json_and_is_small() -> None:
    text = detection().to_json()
    assert Detection.model_validate_json(text) == detection()
    assert len(text) < 2048


def test_a_reader_ignores_what_a_newer_writer_adds() -> None:
    newer = json.loads(detection().to_json()) | {"aura": "mysterious"}
    assert Detection.model_validate(newer) == detection()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "edgeclip.detection/2"}, "schema"),
        ({"probability": 1.2}, "less than or equal to 1"),
        ({"seq": 0}, "greater than or equal to 1"),
        ({"device_id": "../x"}, "pattern"),
        ({"failure": "engine_failed"}, "neither class nor probability"),
        (
            {"failure": "x", "class_name": None, "probability": None, "observation_type": "blank"},
            "a failure is never blank",
        ),
        ({"time": {}}, "started_at"),
    ],
    ids=[
        "newer format", "probability above 1", "row 0", "hostile id", "failure with a class",
        "failure as blank", "no time",
    ],
)  # fmt: skip
def test_a_detection_that_cannot_be_right_is_refused(fields: dict[str, Any], message: str) -> None:
    wrong = json.loads(detection().to_json()) | fields
    with pytest.raises(ValidationError, match=message):
        Detection.model_validate(wrong)


def test_ids_sort_by_time_and_are_uuids_of_version_7() -> None:
    first, second = new_id(1_700_000_000_000), new_id(1_700_000_000_001)
    assert first < second
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert new_id(5) != new_id(5)


@pytest.mark.parametrize("text", ["", "A", "a b", "a/b", "+", "#", "ä", "a" * 33, "a\n"])
def test_what_could_break_a_topic_is_no_identifier(text: str) -> None:
    assert not is_identifier(text)


@given(st.sets(st.integers(1, 60)))
def test_a_receipt_covers_exactly_the_rows_it_was_made_from(seqs: set[int]) -> None:
    upto, ranges = compress(seqs)
    receipt = Receipt(dashboard_id="hq", epoch=EPOCH, received_upto=upto, ranges=ranges)
    again = Receipt.model_validate_json(receipt.to_json())
    assert {seq for seq in range(1, 70) if again.covers(seq)} == seqs


@pytest.mark.parametrize(
    "ranges", [[(1, 2)], [(5, 4)], [(5, 6), (6, 7)]], ids=["below the mark", "falling", "overlap"]
)
def test_a_receipt_with_ranges_that_cannot_be_is_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValidationError, match="ranges must rise"):
        Receipt(dashboard_id="hq", epoch=EPOCH, received_upto=3, ranges=ranges)


def test_a_refusal_names_row_and_reason() -> None:
    receipt = Receipt(
        dashboard_id="hq", epoch=EPOCH, received_upto=0, refused=[Refusal(seq=3, reason="schema")]
    )
    assert Receipt.model_validate_json(receipt.to_json()).refused[0].seq == 3


def test_status_and_info_survive_json() -> None:
    status = Status(state="online", since=AT, bdseq=3, boot_id=EPOCH)
    assert Status.model_validate_json(status.to_json()) == status
    info = Info(
        device_id="jetson-1",
        project="demo",
        deployment_id="ridge",
        camera_id="north",
        edgeclip_version="0.1.0",
        pack=None,
        backend=None,
        precision=None,
        source=None,
        machine="x86_64",
        started_at=AT,
    )
    assert Info.model_validate_json(info.to_json()) == info
