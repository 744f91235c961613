"""What a detection says in words: stored, shown, exported, and never more than can be believed."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from edgeclip.contract.attribute_answers import AttributeAnswer, Attributes
from edgeclip_dashboard import told_words, wording
from edgeclip_dashboard.exports.request import ExportRequest
from edgeclip_dashboard.exports.writing import write_export
from support.asked import asked_bank
from support.camtrap_schemas import validate
from support.dashboards import sample
from support.exported import picture_of, place, say, source_of, visit
from support.samples import AT

if TYPE_CHECKING:
    from dashboard.conftest import Desk

CAPTION = "leopard, night (unverified: two animals)"
FIELDS = ("behavior", "lifeStage", "sex", "count")


def _said() -> Attributes:
    told = asked_bank(verified=True).told(np.array([0, 1, 0, 1], np.float32), "leopard", frames=4)
    assert told is not None
    return told


def _answering(field: str | None, value: str | None, *, verified: bool = True) -> Attributes:
    answer = AttributeAnswer(
        group="x", option="y", words="y", probability=0.9, verified=verified, field=field,
        value=value,
    )  # fmt: skip
    return Attributes(caption="leopard, y", frames=1, answers=[answer])


def test_the_newest_revision_says_it_and_a_later_one_may_take_it_back(desk: Desk) -> None:
    first = sample(attributes=_said())
    desk.commit(first)
    assert desk.only().attributes == _said()
    assert wording.caption(desk.only()) == CAPTION
    desk.commit(first.model_copy(update={"rev": 1, "seq": 2, "attributes": None}))
    assert desk.only().attributes is None
    assert wording.caption(desk.only()) == ""


def test_a_person_s_other_word_ends_what_the_device_says_of_it(desk: Desk) -> None:
    detection = sample(attributes=_said())
    desk.commit(detection)
    for word, other, shown in (
        ("right", None, CAPTION), ("wrong", None, ""), ("other", "hyena", ""),
    ):  # fmt: skip
        say(desk, detection, word, other)
        assert wording.caption(desk.only()) == shown


def test_an_answer_without_words_makes_no_caption() -> None:
    silent = _said().answers[0].model_copy(update={"words": ""})
    said = _said().model_copy(update={"answers": [silent]})
    assert told_words.caption("leopard", said, None) == ""


def test_what_cannot_be_read_is_as_if_nothing_were_said(desk: Desk) -> None:
    desk.commit(sample(attributes=_said()))
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE detections SET attributes = '{\"caption\": 7}'"))
    assert desk.only().attributes is None


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def _observed(desk: Desk, out: Path, **options: Any) -> list[dict[str, str]]:
    request = ExportRequest("camtrap-dp", **options)
    write_export(source_of(desk), request, out, AT + timedelta(days=2))
    report = validate(out)
    assert report.valid, report.flatten(["title", "note"])[:5]
    return _rows(out / "observations.csv")


def _stored(desk: Desk, said: Attributes, word: str | None = None, **changes: Any) -> None:
    detection = visit(1, attributes=said, **changes)
    desk.commit(detection, picture_of(detection, 1))
    place(desk)
    if word:
        say(desk, detection, word)


def test_camtrap_dp_has_what_was_verified_alone(desk: Desk, tmp_path: Path) -> None:
    _stored(desk, _said())
    event, frame = _observed(desk, tmp_path / "package")
    tags = event["observationTags"].split("|")
    assert "timeOfDay:night" in tags
    assert not any("count" in tag or "unverified" in tag for tag in tags)
    assert [event[name] for name in FIELDS] == ["", "", "", ""]
    assert [frame[name] for name in FIELDS] == ["", "", "", ""]


def test_what_nobody_measured_comes_when_asked_for_and_a_tag_says_so(
    desk: Desk, tmp_path: Path
) -> None:
    _stored(desk, _said())
    event, frame = _observed(desk, tmp_path / "package", with_unverified=True)
    assert [event[name] for name in FIELDS] == ["", "", "", "2"]
    assert "unverified:count" in event["observationTags"].split("|")
    assert frame["count"] == ""  # of all frames together, not of this one


def test_a_person_s_observation_has_the_device_s_words_in_its_tags(
    desk: Desk, tmp_path: Path
) -> None:
    _stored(desk, _said(), "right")
    event, _ = _observed(desk, tmp_path / "package", with_unverified=True)
    tags = event["observationTags"].split("|")
    assert event["classificationMethod"] == "human"
    assert [event[name] for name in FIELDS] == ["", "", "", ""]
    assert {"machine-timeOfDay:night", "machine-unverified-count:2"} <= set(tags)


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", "many"), ("lifeStage", "old"), ("individualID", "Zara"), ("behavior", None)],
)
def test_a_value_that_the_standard_does_not_know_is_left_out(
    desk: Desk, tmp_path: Path, field: str, value: str | None
) -> None:
    _stored(desk, _answering(field, value))
    event, _ = _observed(desk, tmp_path / "package", with_unverified=True)
    assert [event[name] for name in (*FIELDS, "individualID")] == [""] * 5


@pytest.mark.parametrize(
    ("field", "value"), [("behavior", "feeding"), ("lifeStage", "juvenile"), ("sex", "female")]
)
def test_each_field_of_the_standard_is_filled(
    desk: Desk, tmp_path: Path, field: str, value: str
) -> None:
    _stored(desk, _answering(field, value))
    event, _ = _observed(desk, tmp_path / "package")
    assert event[field] == value


def test_what_is_no_animal_says_nothing(desk: Desk, tmp_path: Path) -> None:
    _stored(desk, _said(), observation_type="human", class_name="person")
    [event] = _observed(desk, tmp_path / "package", with_unverified=True)[:1]
    assert "timeOfDay" not in event["observationTags"]


def test_a_table_of_visits_has_caption_and_answers(desk: Desk, tmp_path: Path) -> None:
    _stored(desk, _said())
    write_export(source_of(desk), ExportRequest("csv"), tmp_path / "v.csv", AT)
    [row] = _rows(tmp_path / "v.csv")
    assert row["caption"] == CAPTION
    assert row["attributes"] == "time of day=night 1.00|how many=two 1.00 unverified"


def test_the_payload_that_was_received_is_kept_as_it_is(desk: Desk) -> None:
    detection = sample(attributes=_said())
    desk.commit(detection)
    with desk.engine.connect() as connection:
        payload = connection.execute(text("SELECT payload FROM revisions")).scalar_one()
    assert json.loads(payload)["attributes"]["caption"] == CAPTION
