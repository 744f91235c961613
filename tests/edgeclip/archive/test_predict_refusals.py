"""What `edgeclip predict` refuses, and what it leaves alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeclip.archive.journal import LIST_FILE, PARTS, PLAN_FILE
from edgeclip.archive.results import Results
from edgeclip.archive.run_folder import LOCK_FILE, RUN_FOLDER
from edgeclip.cli import app
from edgeclip.clip import Backbone
from edgeclip.contract.locks import drop_lock, take_lock
from edgeclip.errors import ConfigError, DataError, PackError
from support.drawn_images import draw, save
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack

Predict = Callable[..., Results]
RUN_FILES = {PLAN_FILE, LIST_FILE, PARTS}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": "Africa/Nairobi"}, "--tz was UTC, is Africa/Nairobi"),
        ({"part_images": 5}, "part_images was 4, is 5"),
    ],
)
def test_another_run_is_not_mixed_with_this_one(
    predict: Predict, archive: Path, change: dict[str, object], message: str
) -> None:
    predict(archive)
    with pytest.raises(ConfigError, match=message):
        predict(archive, **change)
    predict(archive, **change, overwrite=True)


def test_a_slash_and_a_threshold_without_boxes_make_no_other_run(
    predict: Predict, archive: Path
) -> None:
    predict(f"{archive}/", box_threshold=0.2)
    assert predict(archive, box_threshold=0.3).images == 13


def test_facts_are_refused_where_there_is_no_set(predict: Predict, archive: Path) -> None:
    with pytest.raises(ConfigError, match="--fact chooses between packs, and one answers"):
        predict(archive, facts={"place": "hill"})


def test_a_threshold_without_boxes_is_refused(archive: Path, tiny_pack: Path) -> None:
    words = [
        "predict",
        archive,
        "--pack",
        tiny_pack,
        "--out",
        archive / "o",
        "--box-threshold",
        "0.3",
    ]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(done.exception, ConfigError)
    assert "add --boxes, or leave it" in str(done.exception)


def test_a_run_that_goes_on_says_how_many_images_came_since_its_list(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    at = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
    assert not predict(archive, begun_at=at).notes
    since = "the list of images is of 2024-06-01 12:00 UTC"
    assert predict(archive).notes == [f"{since}, and no image is new"]
    save(archive / "ridge" / "later.png", draw("leopard", 1))
    [said] = predict(archive).notes
    assert said.startswith(f"{since}, and 1 image came since, not looked at: for newer")
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 13
    results = predict(archive, overwrite=True)
    assert (results.images, results.notes) == (14, [])


def test_a_run_that_goes_on_says_what_was_looked_at_already(
    archive: Path, tiny_pack: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    words = [
        "predict", archive, "--pack", tiny_pack, "--out", tmp_path / "out", "--part-images", "4",
        "--backbone", encoder.config, "--pretrained", encoder.weights,
    ]  # fmt: skip
    first = CliRunner().invoke(app, [*map(str, words)])
    assert "looked at already" not in first.stderr
    assert "looking at images: 13" in first.stderr
    again = CliRunner().invoke(app, [*map(str, words)])
    assert "13 of 13 images were looked at already\n" in again.stderr
    assert "looking at images" not in again.stderr
    (tmp_path / "out" / RUN_FOLDER / PARTS / "0000001.jsonl").unlink()
    part = CliRunner().invoke(app, [*map(str, words)])
    assert "9 of 13 images were looked at already\n" in part.stderr
    assert "looking at images: 13" in part.stderr
    told = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert json.loads(told.stdout)["already"] == 13
    assert not told.stderr


@pytest.mark.parametrize("at_the_end", [True, False])
def test_several_formats_after_one_option_are_told_to_repeat_it(
    archive: Path, tiny_pack: Path, tmp_path: Path, at_the_end: bool
) -> None:
    given = ["--pack", str(tiny_pack), "--out", str(tmp_path / "out")]
    several = ["--format", "csv", "md-json"]
    words = [str(archive), *given, *several] if at_the_end else [*several, *given, str(archive)]
    done = CliRunner().invoke(app, ["predict", *words])
    assert done.exit_code == 2
    assert "repeat it, as --format csv --format md-json" in " ".join(done.output.split())


def test_an_archive_that_is_called_as_a_format_is_one(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.rename(archive.with_name("sheets"))
    monkeypatch.chdir(archive.parent)
    words = ["predict", "--format", "csv", "sheets", "--pack", "none", "--out", "o"]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, PackError)


def test_another_pack_is_another_run(
    predict: Predict, archive: Path, backbone: Backbone, tmp_path: Path
) -> None:
    predict(archive)
    other = random_tensors(2, columns=3, names=())
    write_tiny_pack(tmp_path / "other", backbone, other, version="1.1.0")
    with pytest.raises(ConfigError, match=r"answerer was .*1\.0\.0.*is .*1\.1\.0"):
        predict(archive, pack=tmp_path / "other")


@pytest.mark.parametrize("name", ["thesis.txt", RUN_FOLDER, f"{RUN_FOLDER}/thesis.txt"])
def test_a_folder_of_somebody_else_is_left_alone(
    predict: Predict, archive: Path, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "mine" / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(ConfigError, match="holds something else"):
        predict(archive, folder=tmp_path / "mine", overwrite=True)
    assert own.read_text() == "mine"
    assert not (tmp_path / "mine" / LOCK_FILE).exists()


def test_two_at_once_are_refused(predict: Predict, archive: Path, tmp_path: Path) -> None:
    held = take_lock(tmp_path / "out" / LOCK_FILE)
    with pytest.raises(ConfigError, match="is written by process"):
        predict(archive)
    drop_lock(tmp_path / "out" / LOCK_FILE, held)


def test_a_list_that_was_interrupted_is_made_again(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / RUN_FOLDER / PARTS).mkdir(parents=True)
    (tmp_path / "out" / RUN_FOLDER / LIST_FILE).write_text('{"name": "ridge/20')
    predict(archive)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 13


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_plan_is_refused(
    predict: Predict, archive: Path, tmp_path: Path, content: bytes
) -> None:
    predict(archive)
    (tmp_path / "out" / RUN_FOLDER / PLAN_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match="is no plan of this software: add --overwrite"):
        predict(archive)


def test_a_damaged_part_is_named(predict: Predict, archive: Path, tmp_path: Path) -> None:
    predict(archive)
    part = tmp_path / "out" / RUN_FOLDER / PARTS / "0000001.jsonl"
    whole = part.read_bytes()
    other = part.with_name("0000000.jsonl").read_bytes()
    cut = b"".join(whole.splitlines(keepends=True)[:-1])
    deep = b"[" * 100_000 + b"\n"
    for content in (b"{}\n", b"", b"\xff\xfe\n", b"\x00", deep, other, cut, whole[:-9], whole * 2):
        part.write_bytes(content)
        with pytest.raises(DataError, match=r"0000001\.jsonl is missing or damaged: delete it"):
            predict(archive)
    part.unlink()
    assert predict(archive).images == 13


def test_a_part_that_is_a_folder_is_named(predict: Predict, archive: Path, tmp_path: Path) -> None:
    predict(archive)
    part = tmp_path / "out" / RUN_FOLDER / PARTS / "0000001.jsonl"
    part.unlink()
    part.mkdir()
    with pytest.raises(DataError, match=r"0000001\.jsonl is missing or damaged: delete it"):
        predict(archive)


def test_a_damaged_list_is_named(predict: Predict, archive: Path, tmp_path: Path) -> None:
    predict(archive)
    path = tmp_path / "out" / RUN_FOLDER / LIST_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    odd = (b"[]\n", b'{"name": 3}\n', b'{"path": "a"}\n', b"\xff\n", b"[" * 100_000 + b"\n")
    for content in (
        b"",
        b"".join(lines[:-1]),
        b"".join(lines)[:-9],
        *(b"".join([x, *lines[1:]]) for x in odd),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"list\.jsonl is missing or damaged: add --overwrite"):
            predict(archive)
    path.unlink()
    with pytest.raises(DataError, match=r"list\.jsonl is missing or damaged: add --overwrite"):
        predict(archive)
    assert predict(archive, overwrite=True).images == 13


@pytest.mark.parametrize("source", ["nowhere", "notes.txt", "empty", "no.zip", "no.csv"])
def test_what_is_no_archive_is_refused_and_leaves_nothing(
    predict: Predict, tmp_path: Path, source: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("notes.txt", "no.zip", "no.csv"):
        (tmp_path / name).write_text("none")
    there = set(tmp_path.iterdir())
    with pytest.raises(DataError, match=source):
        predict(tmp_path / source, folder=tmp_path / "new" / "out")
    assert set(tmp_path.iterdir()) == there


def test_a_refused_run_leaves_what_was_there_before(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError):
        predict(tmp_path / "nowhere", folder=tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
    predict(archive)
    (tmp_path / "empty").mkdir()
    for source in ("nowhere", "empty"):
        with pytest.raises(DataError):
            predict(tmp_path / source, overwrite=True)
    assert {path.name for path in (tmp_path / "out" / RUN_FOLDER).iterdir()} == RUN_FILES
    assert predict(archive).already == 13


def test_sheets_of_a_run_inside_the_archive_are_no_images_of_it(
    predict: Predict, archive: Path
) -> None:
    results = archive / "looked-through"
    predict(archive, folder=results, formats=["sheets"])
    again = predict(archive, folder=results, formats=["csv"])
    assert again.notes[-1].endswith("and no image is new")
    assert predict(archive).images == 13


@pytest.mark.parametrize("option", ["--boxes", "source"])
def test_a_wrong_path_of_data_has_the_code_of_data(
    archive: Path, tiny_pack: Path, tmp_path: Path, option: str
) -> None:
    given = {"--pack": tiny_pack, "--out": tmp_path / "out", "--boxes": tmp_path / "nowhere.json"}
    source = archive if option == "--boxes" else tmp_path / "nowhere"
    if option == "source":
        del given["--boxes"]
    words = [str(word) for pair in given.items() for word in pair]
    done = CliRunner().invoke(app, ["predict", str(source), *words])
    assert isinstance(done.exception, DataError)
    assert "nowhere" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_what_is_no_pack_is_refused_before_anything_is_made(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    with pytest.raises(PackError, match="is no pack, set of packs or bundle"):
        predict(archive, pack=archive)
    with pytest.raises(PackError, match=r"there is no folder .*nowhere: check --pack"):
        predict(archive, pack=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
