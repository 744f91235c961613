"""Attributes: what a pack asks in words, what features say to it, and what a detection tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgeclip.contract.attribute_answers import AttributeBank, Attributes
from edgeclip.contract.attribute_cells import WordCells, word_cells
from edgeclip.contract.attributes import (
    ATTRIBUTE_TENSORS_FILE,
    ATTRIBUTES_FILE,
    PackAttributes,
    read_attributes,
)
from edgeclip.contract.detection import MOST_BYTES, Detection
from edgeclip.errors import PackError
from support.asked import asked_bank
from support.samples import detection, pack_manifest

DAY, NIGHT = np.eye(4, dtype=np.float32)[:2]
ALONE, PAIR = np.eye(4, dtype=np.float32)[2:]


def test_options_of_each_group_share_the_probability_and_each_group_its_own_view() -> None:
    bank = asked_bank()
    found = bank.probabilities(frame=NIGHT, animal=PAIR)
    assert found.shape == (4,)
    assert found[:2].sum() == pytest.approx(1)
    assert found[2:].sum() == pytest.approx(1)
    assert found[1] > 0.9
    assert found[3] > 0.9
    swapped = bank.probabilities(frame=PAIR, animal=NIGHT)
    np.testing.assert_allclose(swapped, 0.5)  # neither view speaks to the other's question


def test_a_temperature_makes_answers_more_careful() -> None:
    bold = asked_bank().probabilities(NIGHT, PAIR)
    careful = asked_bank(temperature=10.0).probabilities(NIGHT, PAIR)
    assert 0.5 < careful[1] < bold[1]


def test_what_was_verified_stands_before_what_was_not() -> None:
    bank = asked_bank(verified=True)
    told = bank.told(bank.probabilities(NIGHT, PAIR), "leopard", frames=3)
    assert told is not None
    assert told.caption == "leopard, night (unverified: two animals)"
    assert [answer.verified for answer in told.answers] == [True, False]
    assert [(a.field, a.value) for a in told.answers] == [
        ("observationTags", "timeOfDay:night"), ("count", "2"),
    ]  # fmt: skip
    assert told.frames == 3


def test_an_answer_without_words_fills_its_field_alone() -> None:
    bank = asked_bank()
    told = bank.told(bank.probabilities(DAY, ALONE), "leopard")
    assert told is not None
    assert told.caption == "leopard (unverified: day)"
    assert [answer.value for answer in told.answers] == ["timeOfDay:day", "1"]


def test_nothing_is_told_below_the_threshold_or_of_the_answer_none() -> None:
    bank = asked_bank()
    assert bank.told(np.full(4, 0.5, np.float32), "leopard") is None
    silent = asked_bank(last="none")
    told = silent.told(silent.probabilities(NIGHT, PAIR), "leopard")
    assert told is not None
    assert [answer.group for answer in told.answers] == ["time of day"]


def test_probabilities_that_are_not_numbers_tell_nothing() -> None:
    assert asked_bank().told(np.full(4, np.nan, np.float32), "leopard") is None


def test_a_class_name_with_a_line_break_gives_one_line() -> None:
    bank = asked_bank()
    told = bank.told(bank.probabilities(NIGHT, PAIR), "leopard\nEND\x07")
    assert told is not None
    assert told.caption == "leopard END  (unverified: night, two animals)"


def test_text_features_of_another_encoder_or_of_no_length_are_refused() -> None:
    bank = asked_bank()
    for tensors, said in (
        ({}, "text_features is missing"),
        ({"text_features": bank.text[:3]}, "expected (4, 4) float32"),
        ({"text_features": bank.text.astype(np.float64)}, "float64, expected"),
        ({"text_features": bank.text * 2}, "no unit features"),
        ({"text_features": np.full_like(bank.text, np.nan)}, "no unit features"),
    ):
        with pytest.raises(PackError) as caught:
            AttributeBank.of(bank.asked, tensors, pack_manifest().base)
        assert said in str(caught.value)


def test_a_whole_answer_is_a_field_a_tag_or_nothing_by_who_is_believed() -> None:
    bank = asked_bank(verified=True)
    told = bank.told(bank.probabilities(NIGHT, PAIR), "leopard")
    assert told is not None
    assert word_cells(told.answers) == WordCells({}, ("timeOfDay:night",))
    asked_for = word_cells(told.answers, with_unverified=True)
    assert asked_for == WordCells({"count": "2"}, ("timeOfDay:night", "unverified:count"))
    by_person = word_cells(told.answers, with_unverified=True, by_person=True)
    assert by_person.tags == ("machine-timeOfDay:night", "machine-unverified-count:2")


def _told() -> Attributes:
    bank = asked_bank()
    told = bank.told(bank.probabilities(NIGHT, PAIR), "leopard")
    assert told is not None
    return told


def test_a_detection_carries_them_and_one_without_stays_valid() -> None:
    with_words = detection().model_copy(update={"attributes": _told()})
    assert len(with_words.to_json()) < MOST_BYTES
    assert Detection.model_validate_json(with_words.to_json()) == with_words
    older = json.loads(with_words.to_json())
    del older["attributes"]
    assert Detection.model_validate(older).attributes is None


def test_a_newer_device_may_say_more_of_an_answer() -> None:
    content = json.loads(_told().model_dump_json())
    content["answers"][0]["source"] = "another tower"
    assert Attributes.model_validate(content) == _told()


@pytest.mark.parametrize(
    "change",
    [
        {"caption": "two\nlines"},
        {"caption": "x" * 401},
        {"answers": []},
        {"answers": [{"group": "<script>", "option": "a", "words": "a", "probability": 1}]},
        {"frames": 0},
    ],
)
def test_a_hostile_message_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Attributes.model_validate(json.loads(_told().model_dump_json()) | change)


def _written(folder: Path, **update: Any) -> Path:
    content = asked_bank().asked.model_dump(mode="json", by_alias=True) | update
    (folder / ATTRIBUTES_FILE).write_text(json.dumps(content))
    return folder


FILES = {ATTRIBUTES_FILE: "a" * 64, ATTRIBUTE_TENSORS_FILE: "b" * 64}


def test_the_file_survives_json(tmp_path: Path) -> None:
    manifest = pack_manifest().model_copy(update={"files": FILES})
    assert read_attributes(_written(tmp_path), manifest) == asked_bank().asked
    assert PackAttributes.model_validate_json(asked_bank().asked.to_json()) == asked_bank().asked


def test_a_pack_without_the_file_asks_nothing(tmp_path: Path) -> None:
    assert read_attributes(tmp_path, pack_manifest()) is None


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"schema": "edgeclip.attributes/2"}, "edgeclip.attributes/1"),
        ({"weights_sha256": "c" * 64}, "is of another encoder than the pack"),
        ({"voices": 1}, "voices is not known"),
        ({"groups": []}, "groups: List should have at least 1 item"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    update: dict[str, Any], said: str, tmp_path: Path
) -> None:
    manifest = pack_manifest().model_copy(update={"files": FILES})
    with pytest.raises(PackError) as caught:
        read_attributes(_written(tmp_path, **update), manifest)
    assert said in str(caught.value)


def test_words_without_their_features_are_refused(tmp_path: Path) -> None:
    manifest = pack_manifest().model_copy(update={"files": {ATTRIBUTES_FILE: "a" * 64}})
    with pytest.raises(PackError, match=r"stands without attributes\.safetensors"):
        read_attributes(_written(tmp_path), manifest)
