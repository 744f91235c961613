"""`edgeclip predict` with several packs, of which some ask questions in words beside the class."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.archive.answering import Asked
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.attributes.adding import Addition, add_attributes
from edgeclip.attributes.asked import read_asked
from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE
from edgeclip.errors import PackError
from edgeclip.progress import Bars
from edgeclip_export.add_set import add_set
from support.altered_bundles import hash_again
from support.drawn_images import draw, save
from support.routed_bundles import NIGHT, asked_of, ignored
from support.tiny_packs import TinyEncoder

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
QUESTION = """
[[group]]
name = "{name}"
view = "frame"
threshold = 0
[[group.options]]
name = "near"
prompts = ["a photo from near"]
[[group.options]]
name = "far"
prompts = ["a photo from far away"]
"""
FAR, CALM = "how far (unverified)", "how calm (unverified)"


@pytest.fixture(scope="module")
def asking(
    tmp_path_factory: pytest.TempPathFactory, several_packs: list[Path], backbone: Backbone
) -> Path:
    """A set of three packs of which two ask, each a question of its own."""
    root = tmp_path_factory.mktemp("asking")
    packs = []
    for pack, name in zip(several_packs, ("how far", "", "how calm"), strict=True):
        (root / "asked.toml").write_text(QUESTION.format(name=name), encoding="utf-8")
        made = root / pack.name
        if name:
            addition = Addition(pack, made, read_asked(root / "asked.toml"))
            add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
        packs.append(made if name else pack)
    combine(packs, root / "set", {"night": NIGHT})
    return root / "set"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames by day, and every third one without colour."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(12):
        pixels = draw("leopard" if number % 2 else "empty", number)
        save(folder / f"{number:02}.png", pixels[..., :1].repeat(3, 2) if number % 3 else pixels)
    return folder


def _rows(archive: Path, asked: Asked, out: Path) -> dict[str, dict[str, str]]:
    request = PredictRequest(str(archive), asked)
    assert not predict_archive(request, Output(out, ["csv"]), Bars(quiet=True)).failures
    with (out / "predictions.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_each_image_is_told_what_the_pack_that_answered_asks(
    routed: Path, asking: Path, archive: Path, tmp_path: Path
) -> None:
    add_set(routed, asking, ignored)
    rows = _rows(archive, asked_of(routed), tmp_path / "all")
    own = {"day": FAR, "night": CALM}
    for row in rows.values():
        asked = {column for column in (FAR, CALM) if row[column]}
        is_animal = row["class"] != "blank"
        assert asked == ({own[row["pack"]]} if row["pack"] in own and is_animal else set())
        assert bool(row["caption"]) == bool(asked)
    told = {row["pack"] for row in rows.values() if row["caption"]}
    assert told
    for task in told:
        alone = _rows(archive, asked_of(routed, task), tmp_path / task)
        for name, row in rows.items():
            if row["pack"] == task:
                assert row[own[task]] == alone[name][own[task]]


def test_parity_a_set_in_torch_tells_the_same(
    routed: Path, asking: Path, archive: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    add_set(routed, asking, ignored)
    in_torch = Asked(asking, backbone=str(encoder.config), pretrained=str(encoder.weights))
    here = _rows(archive, in_torch, tmp_path / "torch")
    there = _rows(archive, asked_of(routed), tmp_path / "onnx")
    words = ("pack", "class", "caption", FAR, CALM)
    assert [[row[word] for word in words] for row in here.values()] == [
        [row[word] for word in words] for row in there.values()
    ]


def test_damaged_questions_of_one_pack_are_named(
    routed: Path, asking: Path, archive: Path, tmp_path: Path
) -> None:
    add_set(routed, asking, ignored)
    (routed / "packs/day/1.1.0" / ATTRIBUTE_TENSORS_FILE).write_bytes(b"no tensors")
    hash_again(routed, "packs/day/1.1.0")
    with pytest.raises(PackError, match=ATTRIBUTE_TENSORS_FILE):
        _rows(archive, asked_of(routed), tmp_path / "out")
