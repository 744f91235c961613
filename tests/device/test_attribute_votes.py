"""Attributes on the device: on the features that are there, voted over a visit, never of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE
from edgeclip.contract.detection import Detection
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import ObservationType
from edgeclip.errors import PackError
from edgeclip_device.attribute_votes import AttributeVotes, Vote
from edgeclip_device.config import DeviceSettings
from edgeclip_device.packs import load_pack
from edgeclip_device.tensor_file import read_tensors
from support.asked import asked_bank, asked_groups
from support.drawn_clips import crossing
from support.pipelines import opened_rig
from support.tiny_bundle import TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]
LEOPARD_AND_PERSON: Sequence[tuple[str, ObservationType]] = (
    ("leopard", "animal"),
    ("person", "human"),
)


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A bundle whose pack asks two questions."""
    return write_tiny_bundle(tmp_path / "asking", [TinyPack(asked=asked_groups(verified=True))])


def _rows(settings: DeviceSettings, **manifest: Any) -> tuple[list[Detection], int]:
    """Return what a crossing leopard leaves, and how often the encoder ran for it."""
    with opened_rig(settings, **manifest) as rig:
        rig.feed(crossing())
        rig.pipeline.close("shutdown")
        return rig.rows(), rig.classifier.counts.passes


def _settings(make_settings: Make, tmp_path: Path, bundle: Path, **tables: Any) -> DeviceSettings:
    state = tmp_path / f"state of {bundle.name} {len(list(tmp_path.iterdir()))}"
    return make_settings(
        state=state,
        inference={"bundle": bundle, "backend": "onnxruntime", "threads": 1},
        **tables,
    )


def test_words_cost_no_pass_of_the_encoder_and_change_nothing_else(
    make_settings: Make, tmp_path: Path, asking: Path, bundle: Path
) -> None:
    with_words, passes = _rows(_settings(make_settings, tmp_path, asking))
    without, passes_before = _rows(_settings(make_settings, tmp_path, bundle))
    assert passes == passes_before > 10
    differs = {"detection_id", "pack", "epoch", "boot_id", "latency_ms", "attributes"}
    assert [row.model_dump(exclude=differs) for row in with_words] == [
        row.model_dump(exclude=differs) for row in without
    ]
    assert all(row.attributes is None for row in without)
    assert all(row.attributes is not None for row in with_words)


def test_a_visit_tells_in_one_line_what_its_frames_said_together(
    make_settings: Make, tmp_path: Path, asking: Path
) -> None:
    rows, _ = _rows(_settings(make_settings, tmp_path, asking))
    first, last = rows[0].attributes, rows[-1].attributes
    assert first is not None
    assert last is not None
    assert last.caption == "leopard, night"
    assert [(a.group, a.value, a.verified) for a in last.answers] == [
        ("time of day", "timeOfDay:night", True), ("how many", "1", False),
    ]  # fmt: skip
    assert rows[-1].votes is not None
    assert first.frames < last.frames <= rows[-1].votes.frames


def test_switched_off_nothing_is_told(make_settings: Make, tmp_path: Path, asking: Path) -> None:
    rows, _ = _rows(_settings(make_settings, tmp_path, asking, visits={"attributes": False}))
    assert rows
    assert all(row.attributes is None for row in rows)


@pytest.mark.parametrize("privacy", [{"poaching_alerts": True}, {"human_policy": "blur"}])
def test_nothing_is_said_of_a_person(
    make_settings: Make, tmp_path: Path, privacy: dict[str, object]
) -> None:
    people = TinyPack(classes=(("person", "human"), ("blank", "blank")), asked=asked_groups())
    bundle = write_tiny_bundle(tmp_path / "people", [people])
    rows, _ = _rows(_settings(make_settings, tmp_path, bundle, privacy=privacy))
    assert rows[0].class_name == "person"
    assert all(row.attributes is None for row in rows)


def test_frames_with_a_person_have_no_vote_on_the_animal_beside(
    make_settings: Make, tmp_path: Path
) -> None:
    both = TinyPack(classes=LEOPARD_AND_PERSON, asked=asked_groups())
    bundle = write_tiny_bundle(tmp_path / "both", [both])
    rows, _ = _rows(_settings(make_settings, tmp_path, bundle, privacy={"human_from": 0.001}))
    assert rows[0].class_name == "leopard"
    assert all(row.attributes is None for row in rows)


def test_a_pack_that_changes_the_encoder_says_nothing(
    make_settings: Make, tmp_path: Path, asking: Path
) -> None:
    slots = {"class_weights": [4, 2], "logit_scale": [1], "ba_up": [1, 2, 8]}
    rows, _ = _rows(_settings(make_settings, tmp_path, asking), slots=slots)
    assert rows
    assert all(row.attributes is None for row in rows)


def test_one_odd_frame_does_not_decide_a_visit() -> None:
    bank = asked_bank()
    votes = AttributeVotes()
    for night in (0.9, 0.9, 0.2, 0.9):
        vote = np.array([1 - night, night, 0.5, 0.5], np.float32)
        votes = votes.plus(Vote("leopard", vote)).plus(None)
    told = votes.told("leopard", bank, "leopard")
    assert told is not None
    assert told.frames == 4
    assert [(a.option, a.probability) for a in told.answers] == [("night", 0.725)]


def test_frames_that_disagree_say_nothing() -> None:
    votes = AttributeVotes()
    for night in (0.95, 0.05):
        votes = votes.plus(Vote("leopard", np.array([1 - night, night, 0.5, 0.5], np.float32)))
    assert votes.told("leopard", asked_bank(), "leopard") is None


def test_votes_of_one_pack_say_nothing_to_the_questions_of_another() -> None:
    votes = AttributeVotes().plus(Vote("trio", np.array([0, 1, 0, 1], np.float32)))
    assert votes.told("leopard", asked_bank(), "leopard") is None


def test_votes_that_were_handed_on_do_not_change() -> None:
    one = AttributeVotes().plus(Vote("leopard", np.array([0, 1, 0, 1], np.float32)))
    one.plus(Vote("leopard", np.array([1, 0, 1, 0], np.float32)))
    told = one.told("leopard", asked_bank(), "leopard")
    assert told is not None
    assert (told.frames, told.answers[0].option) == (1, "night")


def test_text_features_that_are_no_tensors_stop_the_start(
    make_settings: Make, tmp_path: Path, asking: Path
) -> None:
    pack = load_pack(_settings(make_settings, tmp_path, asking).inference)
    path = pack.folder / ATTRIBUTE_TENSORS_FILE
    for content, said in (
        (b"no tensors", "cannot be read"),
        (safetensors.numpy.save({"other": np.zeros(3, np.float32)}), "text_features is missing"),
    ):
        path.write_bytes(content)
        files = {**pack.manifest.files, ATTRIBUTE_TENSORS_FILE: sha256_file(path)}
        with pytest.raises(PackError, match=said):
            AttributeBank.read(
                pack.folder, pack.manifest.model_copy(update={"files": files}), read_tensors
            )
