from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip import stored_image
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.contract.preprocess import decode_image, prepare
from edgeclip.errors import ConfigError, DataError
from edgeclip.evaluating import evaluate_pack
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.labels.reading import ReadingOptions
from edgeclip.openings import read_openings
from edgeclip.pack_strips import strips_for
from edgeclip.progress import Bars
from edgeclip.regions import Strips, pixels_of
from edgeclip.report import report_json
from edgeclip.report_data import ReportData
from edgeclip.trainer import TrainResult
from support.drawn_images import DrawnSet, write_set
from support.samples import pack_manifest
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack

AT = datetime(2026, 6, 1, tzinfo=timezone.utc)
Evaluate = Callable[..., ReportData]


@pytest.fixture(scope="module")
def with_strips(
    run_training: Callable[..., TrainResult], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A pack whose frames had a strip of seven rows at the top, and of three at the bottom."""
    out = tmp_path_factory.mktemp("packs") / "pack"
    recipe = Recipe(steps=5, views=1, seed=3, strip_top_px=7, strip_bottom_px=3)
    manifest = run_training(out, recipe=recipe, method="head", folds=2).manifest
    assert (manifest.strip_top_px, manifest.strip_bottom_px) == (7, 3)
    return out


def test_a_pack_is_measured_at_other_places(
    run_evaluation: Evaluate, trained: tuple[Path, TrainResult], tmp_path: Path
) -> None:
    drawn = DrawnSet({"elephant": 7, "leopard": 2, "blank": 2}, locations=3)
    table = write_set(tmp_path / "new", drawn)
    table.write_text(table.read_text().replace(",place", ",elsewhere"))
    data = run_evaluation(table)
    assert list(data.comparison.judged.class_names) == ["leopard", "zebra", "blank"]
    scope = data.comparison.headline
    assert (scope.name, len(scope.rows)) == ("new places", 24)  # elephants are no class of the pack
    assert any("does not know are left out: elephant 42;" in note for note in data.notes)
    assert report_json(data)["left_out"] == {"elephant": 42}
    leopard = scope.main.frames.targets["leopard"]
    assert leopard.recall > 0.9
    assert leopard.threshold == trained[1].manifest.thresholds["leopard"].on


def test_places_of_the_training_are_told_from_new_ones_by_their_name(
    run_evaluation: Evaluate, trained: tuple[Path, TrainResult], tmp_path: Path
) -> None:
    table = write_set(tmp_path / "new", DrawnSet({"leopard": 3, "blank": 3}, locations=9, frames=1))
    data = run_evaluation(table)
    split = trained[0] / "report/split.csv"
    rows = list(csv.DictReader(split.read_text().splitlines()))
    taught = {row["location"] for row in rows if row["part"] in ("train", "validation")}
    by_name = {scope.name: scope for scope in data.comparison.scopes}
    assert set(by_name["known places"].judged.locations) == taught
    assert {"place6", "place7", "place8"} <= set(by_name["new places"].judged.locations)
    assert set(data.comparison.gaps) == {"leopard"}


def test_what_the_pack_learned_from_is_left_out_and_the_training_s_figures_come_again(
    run_evaluation: Evaluate, trained: tuple[Path, TrainResult], table: Path
) -> None:
    data = run_evaluation(table)
    theirs = trained[1].comparison
    assert len(data.comparison.judged.images) == len(theirs.judged.images)
    assert any(" images that the pack learned from are left out" in note for note in data.notes)
    own = data.comparison.headline.main.frames.targets["leopard"]
    assert own == theirs.headline.main.frames.targets["leopard"]


@pytest.mark.parametrize(
    ("asked", "cut", "said"),
    [
        ({}, (7, 3), ""),
        ({"strip_top_px": 7}, (7, 3), ""),
        ({"strip_top_px": 0}, (0, 3), "--strip-top-px 0: the pack was trained without 7 rows"),
    ],
)
def test_a_pack_is_evaluated_without_the_strips_of_its_training(
    asked: dict[str, int], cut: tuple[int, int], said: str, run_evaluation: Evaluate,
    with_strips: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen: list[Strips] = []

    def watched(*given: Any, strips: Strips, **named: Any) -> NDArray[np.uint8]:
        seen.append(strips)
        return pixels_of(*given, strips=strips, **named)

    monkeypatch.setattr(stored_image, "pixels_of", watched)
    pack = shutil.copytree(with_strips, tmp_path / "stripped")
    data = run_evaluation(table, pack=pack, **asked)
    assert set(seen) == {Strips(*cut)}
    assert any(said in note for note in data.notes)
    assert said or not any("--strip" in note for note in data.notes)


def test_a_pack_that_does_not_say_its_strips_is_evaluated_on_whole_frames() -> None:
    silent = pack_manifest()
    assert strips_for(silent, None, None) == (Strips(), ())
    assert strips_for(silent, 5, None) == (Strips(5, 0), ())


def test_the_second_look_at_the_same_images_is_said_and_leaves_a_line(
    run_evaluation: Evaluate, pack: Path, table: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    data = run_evaluation(table, report=report)
    assert [opening.by for opening in read_openings(pack)] == ["train", "evaluate"]
    note = "opened before (2026-05-01 00:00 by train), once: whoever"
    assert note in data.notes[0]
    assert note in (report / "index.html").read_text()
    assert json.loads((report / "openings.json").read_text())[1]["at"] == "2026-06-01T00:00:00Z"
    run_evaluation(table)
    assert len(read_openings(pack)) == 3


def test_a_first_look_at_other_images_is_no_second_one(
    run_evaluation: Evaluate, tmp_path: Path
) -> None:
    table = write_set(tmp_path / "new", DrawnSet({"leopard": 3, "blank": 3}, locations=2, frames=1))
    assert not any("opened before" in note for note in run_evaluation(table).notes)


def test_a_report_holds_page_figures_predictions_and_openings(
    run_evaluation: Evaluate, table: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    data = run_evaluation(table, report=report)
    assert {path.name for path in report.iterdir()} == {
        "index.html", "metrics.json", "predictions.csv", "openings.json",
    }  # fmt: skip
    rows = list(csv.DictReader((report / "predictions.csv").read_text().splitlines()))
    assert len(rows) == len(data.comparison.judged.images)
    said = [row["adapter: decision"] or None for row in rows if row["scope"] == "new places"]
    assert tuple(said) == data.comparison.headline.main.frames.decisions


def test_a_folder_that_is_no_report_is_never_replaced(
    run_evaluation: Evaluate, pack: Path, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"holds no metrics\.json"):
        run_evaluation(table, report=tmp_path / "mine", overwrite=True)
    assert len(read_openings(pack)) == 1  # refused before anything was looked at


def test_a_report_that_is_there_is_refused_by_the_option_that_names_it(
    run_evaluation: Evaluate, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/metrics.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not empty: choose another --report, or add"):
        run_evaluation(table, report=tmp_path / "mine")


@pytest.mark.parametrize("place", ["report", ".", "..", "deeper/report"])
def test_a_pack_s_own_report_stays_as_its_training_wrote_it(
    run_evaluation: Evaluate, pack: Path, table: Path, place: str
) -> None:
    with pytest.raises(ConfigError, match=r"lie in one another: the pack's own report must stay"):
        run_evaluation(table, report=pack / place, overwrite=True)
    assert (pack / "report/split.csv").is_file()


def test_the_animals_are_painted_over_where_that_was_asked_for(
    run_evaluation: Evaluate, table: Path, tmp_path: Path
) -> None:
    data = run_evaluation(table, background_check=True, report=tmp_path / "report")
    assert data.background is not None
    leopard = data.background.targets["leopard"]
    assert leopard.seen > 0.9
    assert leopard.covered < 0.2
    assert "Animal or background?" in (tmp_path / "report/index.html").read_text()


def test_images_of_other_classes_alone_are_refused(
    run_evaluation: Evaluate, tmp_path: Path
) -> None:
    table = write_set(tmp_path / "new", DrawnSet({"elephant": 1}, locations=1))
    with pytest.raises(DataError, match="no image of leopard, zebra, blank; found elephant"):
        run_evaluation(table)


def test_the_split_of_another_training_that_tests_what_the_pack_learned_is_refused(
    run_evaluation: Evaluate, pack: Path, table: Path, tmp_path: Path
) -> None:
    own = pack / "report/split.csv"
    turned = own.read_text().replace(",test,", ",X,").replace(",train,", ",test,")
    other = tmp_path / "other.csv"
    other.write_text(turned.replace(",test_seen,", ",test,").replace(",X,", ",train,"))
    with pytest.raises(DataError, match="the pack learned from"):
        run_evaluation(table, split=other)


def test_the_pack_s_own_split_may_be_named(
    run_evaluation: Evaluate, pack: Path, table: Path, tmp_path: Path
) -> None:
    split = Path(shutil.copy(pack / "report/split.csv", tmp_path / "split.csv"))
    data = run_evaluation(table, split=split)
    assert len(data.comparison.judged.images) == len(
        [line for line in split.read_text().splitlines() if ",test" in line]
    )


def test_a_pack_that_reaches_into_the_encoder_is_measured_through_its_blocks(
    backbone: Backbone, encoder: TinyEncoder, tmp_path: Path
) -> None:
    names = ("class_bias", "ba_down", "ba_down_bias", "ba_up", "ba_up_bias")
    tensors = random_tensors(3, columns=2, names=names)
    write_tiny_pack(tmp_path / "deep", backbone, tensors)
    table = write_set(tmp_path / "new", DrawnSet({"leopard": 2, "blank": 2}, locations=2, frames=1))
    classes: dict[str, tuple[str, ...]] = {"species 0": ("leopard",), "blank": ("blank",)}
    request = EvaluationRequest(
        tmp_path / "deep",
        ReadingOptions(data=table, classes=classes),
        str(encoder.config),
        str(encoder.weights),
    )
    found = evaluate_pack(request, at=AT, bars=Bars(quiet=True)).comparison
    frames = [decode_image(image.path.read_bytes()) for image in found.judged.images]
    pixels = np.stack([prepare(frame, backbone.preprocess) for frame in frames])
    expected = outputs_of(pixels, backbone, tensors).probabilities.numpy()
    np.testing.assert_allclose(found.contenders[0].probabilities, expected, atol=2e-3)
    head = {name: value for name, value in tensors.items() if not name.startswith("ba_")}
    without = outputs_of(pixels, backbone, head)
    assert not np.allclose(without.probabilities.numpy(), expected, atol=0.05)
