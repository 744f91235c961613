"""What `edgeclip predict` says at its end: who answered, and a next command that works."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeclip.archive.answered import Answered
from edgeclip.archive.answering import Asked
from edgeclip.archive.asked_keys import AskedKeys
from edgeclip.archive.predicting import Output
from edgeclip.archive.records import Record
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import Results
from edgeclip.cli import app
from edgeclip.cli_predicted import show_results
from edgeclip.combining import combine
from edgeclip.contract.routing import RouterRow
from edgeclip.errors import ConfigError, DataError
from support.tiny_packs import TinyEncoder

Predict = Callable[..., Results]


def _next(said: str) -> list[str]:
    """Return the words of the next command, as a shell takes them; none where none is named."""
    lines = [line for line in said.splitlines() if line.startswith("next: ")]
    return shlex.split(lines[0].removeprefix("next: ")) if lines else []


def _run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def hill(pack: Path, tmp_path: Path) -> Path:
    """A set whose one pack is for a place that a person names."""
    combine([("hill", pack)], tmp_path / "the set", {"hill": {"place": "the hill"}})
    return tmp_path / "the set"


def test_the_next_command_is_of_the_same_run_and_is_offered_until_sheets_are_there(
    encoder: TinyEncoder, hill: Path, archive: Path, tmp_path: Path
) -> None:
    with (tmp_path / "my files.csv").open("w", newline="") as file:
        rows = [[str(path.relative_to(archive))] for path in sorted(archive.rglob("2*.png"))]
        csv.writer(file).writerows([["file"], *rows])
    boxes = {"images": [], "detection_categories": {"1": "animal"}, "info": {}}
    (tmp_path / "md.json").write_text(json.dumps(boxes))
    words = [
        "predict", tmp_path / "my files.csv", "--pack", hill, "--out", tmp_path / "the out",
        "--backbone", encoder.config, "--pretrained", encoder.weights, "--data-dir", archive,
        "--boxes", tmp_path / "md.json", "--box-threshold", "0.3", "--tz", "Africa/Nairobi",
        "--fact", "place=the hill", "--part-images", "5", "--no-heat-boxes",
    ]  # fmt: skip
    offered = _next(_run(*words))
    assert offered[:2] == ["edgeclip", "predict"]
    assert "--no-heat-boxes" in offered
    assert not _next(_run(*offered[1:]))  # the same run, or it would be refused
    assert list((tmp_path / "the out" / "sheets").iterdir())
    assert not _next(_run(*words))
    assert _next(_run(*words, "--overwrite"))  # the sheets that are there are of another run


def test_the_next_command_names_task_and_runtime_of_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(Path("a bundle"), task="leopard-b", backend="onnxruntime")
    show_results(Results(images=1), PredictRequest("card", asked), Output(tmp_path, ["csv"]))
    usual = Asked(Path("bundle"))
    show_results(Results(images=1), PredictRequest("card", usual), Output(tmp_path, ["csv"]))
    first, second = (line for line in capsys.readouterr().out.splitlines() if "next" in line)
    assert "--pack 'a bundle' " in first
    assert first.endswith(" --task leopard-b --backend onnxruntime --format sheets")
    assert second == f"next: edgeclip predict card --pack bundle --out {tmp_path} --format sheets"


def test_progress_counts_images_for_each_file_that_is_written(
    encoder: TinyEncoder, tiny_pack: Path, archive: Path, tmp_path: Path
) -> None:
    given = ["--backbone", encoder.config, "--pretrained", encoder.weights, "--format", "csv"]
    words = ["predict", archive, "--pack", tiny_pack, "--out", tmp_path / "out", *given]
    done = CliRunner().invoke(app, [*map(str, words), "--format", "sheets"])
    stages = [line.partition("] ")[2] for line in done.stderr.splitlines()]
    assert stages == [
        "looking at images: 13", "gathering answers: 13", "writing predictions.csv: 13",
        "writing sheets: 13",
    ]  # fmt: skip


def test_all_columns_of_the_table_are_described(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    predict(archive)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert len(columns) > 15
    page = (Path(__file__).parents[3] / "docs" / "archives.md").read_text()
    told = page.partition("### The columns of predictions.csv")[2].partition("###")[0]
    assert [name for name in columns if f"`{name}`" not in told and name[:2] != "p("] == []


def test_nothing_comes_next_where_nothing_could_be_read(
    encoder: TinyEncoder, tiny_pack: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"none")
    given = ["--backbone", encoder.config, "--pretrained", encoder.weights]
    words = ["predict", tmp_path / "bad", "--pack", tiny_pack, "--out", tmp_path / "out", *given]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(done.exception, DataError)
    assert "1 image, 1 could not be read" in done.stdout
    assert "next: " not in done.stdout


def test_a_set_says_which_pack_answered_for_how_many(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    both = [("ridge", pack), ("river", pack)]
    combine(both, tmp_path / "set", {"ridge": {"deployment": "ridge"}, "river": {"place": "x"}})
    results = predict(archive, pack=tmp_path / "set")
    assert results.answered.to_json() == {"ridge": 6, "river": 0, "prompts alone": 5}
    assert results.answered.line() == (
        "answered by: ridge 6 images, river 0 images, prompts alone 5 images (these decide nothing)"
    )


def test_person_and_machine_are_told_who_answered(
    encoder: TinyEncoder, hill: Path, archive: Path, tmp_path: Path
) -> None:
    given = ["--backbone", encoder.config, "--pretrained", encoder.weights]
    words = ["predict", archive, "--pack", hill, "--out", tmp_path / "out", *given]
    said = " ".join(_run(*words).split())
    assert "answered by: hill 0 images, prompts alone 11 images (these decide nothing)" in said
    told = json.loads(_run(*words, "--json"))["answered_by"]
    assert told == {"hill": 0, "prompts alone": 11}


def _of_keys(results: Results) -> list[str]:
    return [note for note in results.notes if note.startswith("no image")]


def test_a_key_that_no_image_has_a_value_of_is_told_with_what_to_do(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    keys = {"lihgt": "day", "deployment": "nowhere", "light": "day"}
    combine([("hill", pack), ("lake", pack)], tmp_path / "set", {"lake": keys})
    [said] = _of_keys(predict(archive, pack=tmp_path / "set"))
    assert said.startswith("no image has a value of lihgt, and lake asks for lihgt=day: say it by")
    assert "--fact lihgt=day" in said
    given = predict(archive, pack=tmp_path / "set", facts={"lihgt": "x"}, overwrite=True)
    assert not _of_keys(given)


def test_at_the_root_of_an_archive_no_place_is_known(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    combine([("hill", pack)], tmp_path / "set", {"hill": {"deployment": "hill"}})
    [said] = _of_keys(predict(archive / "ridge", pack=tmp_path / "set"))
    assert said.startswith("no image has a value of deployment, and hill asks for deployment=hill")


def test_a_light_of_an_older_set_that_no_image_has_is_told() -> None:
    row = RouterRow("hill", np.ones((1, 2), np.float32), 1.0, 0.1, {"light": "night"})
    asked = AskedKeys([row], {})
    asked.saw(Record(file="a.jpg", failure="damaged"))
    assert not asked.notes()
    asked.saw(Record(file="b.jpg"))
    [said] = asked.notes()
    assert said.startswith("no image is of light=night, which hill asks for: light is day or")


def test_a_fact_that_no_image_can_have_is_refused(hill: Path, archive: Path) -> None:
    words = ["predict", archive, "--pack", hill, "--out", archive / "o", "--fact", "light=night"]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == "--fact light=night: light is day or infrared"


def test_one_pack_that_answers_for_all_is_not_spoken_of() -> None:
    answered = Answered(("leopard",))
    answered.saw(Record(file="a.jpg", pack="leopard"))
    answered.saw(Record(file="b.jpg", failure="damaged"))
    assert answered.line() is None
    assert answered.to_json() == {"leopard": 1}
