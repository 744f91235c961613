"""Attributes in packs: at training, added to one that is there, and read back."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeclip import cli
from edgeclip.attributes.adding import Addition, add_attributes
from edgeclip.attributes.asked import read_asked
from edgeclip.clip import Backbone
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.attributes import ATTRIBUTE_TENSORS_FILE, ATTRIBUTES_FILE
from edgeclip.contract.pack import PACK_FILE, read_pack_manifest
from edgeclip.errors import ConfigError, PackError
from edgeclip.labels.reading import ReadingOptions
from edgeclip.packs import load_pack
from edgeclip.progress import Bars
from edgeclip.tensor_file import read_tensors
from edgeclip.trainer import TrainResult
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
Trainer = Callable[..., TrainResult]


@pytest.fixture
def table_with_hours(table: Path, tmp_path: Path) -> Path:
    """The drawn images, with what the hour is in a column of its own, and one who knows it not."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for number, row in enumerate(rows[1:]):
        row.append("?" if number == 1 else ("night", "day")[number % 2])
    out = tmp_path / "hours.csv"
    with out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*rows[0], "TimeOfDay"], *rows[1:]])
    return out


def _bank(folder: Path) -> AttributeBank:
    bank = AttributeBank.read(folder, read_pack_manifest(folder), read_tensors)
    assert bank is not None
    return bank


def test_a_training_calibrates_on_what_it_learned_from_alone(
    run_training: Trainer, table: Path, table_with_hours: Path, tmp_path: Path
) -> None:
    read = {"data": table_with_hours, "data_dir": table.parent}
    result = run_training(tmp_path / "pack", **read, attributes="usual")
    groups = {group.name: group for group in _bank(tmp_path / "pack").asked.groups}
    measured = groups["time of day"].measured
    assert measured is not None
    with (tmp_path / "pack/report/split.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    taught = [row for row in rows if row["part"] in ("train", "validation")]
    assert measured.images < len(taught) < 72
    assert not groups["time of day"].verified  # a random encoder knows no hours
    assert groups["behaviour"].measured is None
    assert any("attribute behaviour is unverified: 0 animals" in note for note in result.notes)
    assert load_pack(tmp_path / "pack").manifest == result.manifest


def test_attributes_change_nothing_else_of_a_pack(
    trained: tuple[Path, TrainResult], run_training: Trainer, tmp_path: Path
) -> None:
    run_training(tmp_path / "pack", attributes="usual")
    files = read_pack_manifest(tmp_path / "pack").files
    before = trained[1].manifest.files
    assert {name: files[name] for name in before} == before
    assert files.keys() - before == {ATTRIBUTES_FILE, ATTRIBUTE_TENSORS_FILE}


def test_they_are_added_to_a_pack_whose_adapters_keep_their_bits(
    pack: Path, backbone: Backbone, table: Path, table_with_hours: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in pack.rglob("*") if path.is_file()}
    reading = ReadingOptions(data=table_with_hours, data_dir=table.parent)
    addition = Addition(pack, tmp_path / "more", read_asked("usual"), reading)
    manifest, made = add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    assert {path: path.read_bytes() for path in before} == before
    old, new = load_pack(pack), load_pack(tmp_path / "more")
    assert new.manifest == manifest
    assert (manifest.version, manifest.created_at) == ("1.1.0", AT)
    assert {name: manifest.files[name] for name in old.manifest.files} == old.manifest.files
    for path in (pack / "report").iterdir():
        assert (tmp_path / "more/report" / path.name).read_bytes() == path.read_bytes()
    bank = _bank(tmp_path / "more")
    assert bank.asked == made.content
    measured = bank.asked.groups[3].measured
    assert measured is not None
    assert measured.images == 47  # 48 animals, one of an hour that nobody knows
    assert measured.places == 6


def test_text_features_are_what_the_text_tower_says(
    pack: Path, backbone: Backbone, tmp_path: Path
) -> None:
    groups = read_asked("usual")
    add_attributes(
        Addition(pack, tmp_path / "more", groups), backbone, at=AT, bars=Bars(quiet=True)
    )
    bank = _bank(tmp_path / "more")
    expected = backbone.embed_prompts([o.prompts for g in groups for o in g.options]).numpy()
    np.testing.assert_allclose(bank.text.T, expected, atol=1e-6)
    image = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    feature = backbone.embed_images(image)[1][0].numpy()
    feature /= np.linalg.norm(feature)
    found = bank.probabilities(feature, feature)
    logits = bank.asked.logit_scale * expected @ feature
    hours = np.exp(logits[-3:]) / np.exp(logits[-3:]).sum()
    np.testing.assert_allclose(found[-3:], hours, atol=1e-5)


def test_a_pack_that_changes_the_encoder_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    names = ("ba_down", "ba_down_bias", "ba_up", "ba_up_bias")
    write_tiny_pack(tmp_path / "deep", backbone, random_tensors(1, columns=3, names=names))
    addition = Addition(tmp_path / "deep", tmp_path / "more", read_asked("usual"))
    with pytest.raises(ConfigError, match="changes the encoder, whose features"):
        add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    assert not (tmp_path / "more").exists()


def test_a_pack_that_is_there_is_replaced_by_overwrite_and_nothing_else_is(
    pack: Path, backbone: Backbone, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    addition = Addition(pack, tmp_path / "more", read_asked("usual"))
    add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    for out, overwrite, said in (
        ("more", False, "choose another --out, or add --overwrite"),
        ("mine", True, r"holds no pack\.json: --overwrite would delete"),
    ):
        other = replace(addition, out=tmp_path / out, overwrite=overwrite)
        with pytest.raises(ConfigError, match=said):
            add_attributes(other, backbone, at=AT, bars=Bars(quiet=True))
    itself = replace(addition, pack=tmp_path / "more", overwrite=True)
    add_attributes(itself, backbone, at=AT, bars=Bars(quiet=True))
    assert load_pack(tmp_path / "more").manifest.version == "1.2.0"
    assert _bank(tmp_path / "more")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (ATTRIBUTE_TENSORS_FILE, b"\x00" * 40, "was altered or cut short"),
        (ATTRIBUTES_FILE, b"{}", "was altered or cut short"),
    ],
)
def test_an_altered_file_is_found_by_its_hash(
    name: str, content: bytes, said: str, pack: Path, backbone: Backbone, tmp_path: Path
) -> None:
    addition = Addition(pack, tmp_path / "more", read_asked("usual"))
    add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    (tmp_path / "more" / name).write_bytes(content)
    with pytest.raises(PackError, match=said):
        load_pack(tmp_path / "more")


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["edgeclip", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_the_command_says_what_is_unverified_and_show_shows_it(
    pack: Path,
    encoder: TinyEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = ["--backbone", str(encoder.config), "--pretrained", str(encoder.weights)]
    words = ["pack", "attributes", str(pack), "--out", str(tmp_path / "more"), *named]
    assert _run(monkeypatch, *words, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["version"] == "1.1.0"
    assert [group["verified"] for group in said["groups"]] == [False] * 4
    assert _run(monkeypatch, "pack", "show", str(tmp_path / "more")) == 0
    assert "how many (unverified)" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "more" / PACK_FILE).is_file()


def test_the_command_refuses_before_anything_is_loaded(
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["pack", "attributes", str(pack), "--out", str(tmp_path / "more")]
    assert _run(monkeypatch, *words, "--attributes", "gone.toml") == 2
    assert "gone.toml: cannot be read" in capsys.readouterr().err
    assert _run(monkeypatch, *words, "--tz", "+03:00") == 2
    assert "need --data" in capsys.readouterr().err


def test_the_file_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "pack", "attribute-file") == 0
    assert capsys.readouterr().out.startswith("# What is asked of each animal")
