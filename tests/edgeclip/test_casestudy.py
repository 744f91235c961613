"""The case study: places apart, draws within draws, runs that are kept, figures that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.case.contending import CNNS, CONTENDERS, METHODS, Machine, cnns_of
from benchmarks.case.figures import Truth, difference, figures_of
from benchmarks.case.runs import Runs
from benchmarks.case.scenes import CLASSES, SetPlan, bursts_of
from benchmarks.case.study import Draw, Scenes
from benchmarks.realcase import SAME_MOMENT_S, draw_of
from benchmarks.realcase import figures_of as real_figures
from edgeclip.baselines.cnn import Cnn
from edgeclip.baselines.finetune import FineTuning
from edgeclip.config import Recipe
from edgeclip.contenders import Contender
from edgeclip.errors import SetupError

SHRINK = 100  # six images of each class at two places


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return Scenes(tmp_path_factory.mktemp("case"), processes=1, shrink=SHRINK)


@pytest.fixture(scope="module")
def truth(scenes: Scenes) -> Truth:
    return Truth(scenes.test, scenes.test_wind, tuple(CLASSES), "leopard")


def contender(truth: Truth, right: float, name: str = "some") -> Contender:
    """One that gives the true class this probability."""
    rows = np.full((len(truth.images), 3), (1 - right) / 2, np.float32)
    for row, image in zip(rows, truth.images, strict=True):
        row[truth.class_names.index(image.class_name)] = right
    return Contender(name, rows, {"leopard": 0.5}, 100, 7, 1.5, "a note")


def test_bursts_of_one_label_go_round_all_places() -> None:
    bursts = list(bursts_of(SetPlan(images=30, first_place=7, places=5, seed=1)))
    for label in ("leopard", "blank"):
        assert {b.place for b in bursts if b.label == label} == set(range(7, 12))
    assert sum(burst.length for burst in bursts) == 90
    assert len({(burst.label, burst.number) for burst in bursts}) == len(bursts)


def test_no_place_is_in_two_parts(scenes: Scenes) -> None:
    draw = scenes.draw(0, 500)
    places = [{i.location for i in part} for part in (draw.training, draw.validation, draw.test)]
    assert all(places)
    assert len(set.union(*places)) == sum(map(len, places))


def test_a_smaller_draw_lies_within_a_larger_one(scenes: Scenes) -> None:
    small, large = scenes.draw(0, 5), scenes.draw(0, 500)
    for part in ("training", "validation"):
        few, many = getattr(small, part), getattr(large, part)
        assert set(few) < set(many)
        assert {image.class_name for image in few} == set(CLASSES)
    assert sum(i.class_name == "leopard" for i in small.training + small.validation) == 5
    assert small.test == large.test


def test_validation_and_test_have_one_view_of_each_region(scenes: Scenes) -> None:
    draw = scenes.draw(0, 5)
    assert {region.view for region in draw.regions("training")[1]} == set(range(10))
    for part in ("validation", "test"):
        images, regions = draw.regions(part)
        assert {region.view for region in regions} == {0}
        assert len(regions) == 2 * len(images)  # frame and crop, also of blanks


def test_a_run_is_kept_and_read_back(scenes: Scenes, truth: Truth, tmp_path: Path) -> None:
    runs, draw = Runs(tmp_path, lambda _: "one way"), scenes.draw(0, 5)
    made = contender(truth, 0.8)
    calls: list[Draw] = []

    def run() -> Contender:
        calls.append(draw)
        return made

    for _ in range(2):
        got = runs.get("some", draw, run)
        assert np.allclose(got.probabilities, made.probabilities, atol=1e-5)
        assert replace(got, probabilities=made.probabilities) == made
    assert len(calls) == 1
    assert runs.known("other", 0, 5, draw.test) is None
    assert runs.known("some", 0, 8, draw.test) is None


def test_a_run_of_other_options_is_not_taken_for_this_one(
    scenes: Scenes, truth: Truth, tmp_path: Path
) -> None:
    draw = scenes.draw(0, 5)
    Runs(tmp_path, lambda _: "100 steps").get("some", draw, lambda: contender(truth, 0.4))
    again = Runs(tmp_path, lambda _: "400 steps")
    assert again.get("some", draw, lambda: contender(truth, 0.8)).probabilities.max() > 0.7
    assert again.get("some", draw, lambda: contender(truth, 0.4)).probabilities.max() > 0.7


def test_what_decides_a_run_is_in_its_key(tmp_path: Path) -> None:
    machine = Machine({}, tmp_path, FineTuning())
    other = Machine({}, tmp_path, FineTuning(), recipe=Recipe(steps=3))
    assert machine.key("auto") != other.key("auto")
    cnn = Cnn("tiny", lambda _: None, 32, (0.5,) * 3, (0.5,) * 3, "from nothing")  # type: ignore[arg-type, return-value]
    few, many, gpu = (
        replace(machine, cnns={"resnet50": lambda: cnn}, finetuning=options).key("resnet50")
        for options in (FineTuning(steps=3), FineTuning(), FineTuning(device="cuda", seed=9))
    )
    assert few != many == gpu


def test_a_run_on_other_test_images_is_refused(
    scenes: Scenes, truth: Truth, tmp_path: Path
) -> None:
    runs, draw = Runs(tmp_path, lambda _: "one way"), scenes.draw(0, 5)
    runs.get("some", draw, lambda: contender(truth, 0.8))
    with pytest.raises(SystemExit, match="other test images"):
        runs.known("some", 0, 5, draw.test[::-1])


def test_one_that_is_always_right_has_figures_of_one(truth: Truth) -> None:
    figures = figures_of([contender(truth, 0.9)] * 2, truth)
    for name in ("precision", "recall", "f1"):
        assert figures[name][0] == 1
    for name, share in figures["called"].items():
        assert share == ("leopards" in name), name
    assert "other animals" in figures["called"]
    assert figures["fewer_than_resnet50"] == 255570.3
    assert json.dumps(figures)


def test_the_difference_is_in_f1_and_paired(truth: Truth) -> None:
    good, blind = contender(truth, 0.9), contender(truth, 0.2)
    found = difference([good, good], [blind, blind], truth)
    assert found.ours == 1
    assert found.ours - found.theirs == pytest.approx(found.interval.estimate)


@pytest.mark.parametrize("name", ["zero-shot", "probe", *METHODS])
def test_each_contender_on_a_frozen_encoder_judges_all_test_images(
    scenes: Scenes, tmp_path: Path, name: str
) -> None:
    recipe = Recipe(steps=3)
    machine = Machine({}, tmp_path, FineTuning(), recipe=recipe)
    made = CONTENDERS[name](scenes.draw(0, 8), machine)
    assert made.probabilities.shape == (len(scenes.test), 3)
    np.testing.assert_allclose(made.probabilities.sum(axis=1), 1, atol=1e-4)
    assert 0 < made.thresholds["leopard"] < 1


def test_cnns_without_weights_do_not_take_part(tmp_path: Path) -> None:
    assert not cnns_of(None, None, 96)
    assert set(cnns_of(tmp_path, None, 96)) == {"resnet50"}
    assert set(cnns_of(tmp_path, tmp_path, 96)) == set(CNNS)
    with pytest.raises(SetupError, match="no MobileNetV2 weights"):
        cnns_of(None, tmp_path / "nowhere", 96)["mobilenetv2"]()


@pytest.mark.real_data
def test_the_real_case_shares_no_place_or_moment_and_scores_no_guess(
    real_data: Path, tmp_path: Path
) -> None:
    draw, unsure = draw_of(real_data, tmp_path)
    parts = (draw.training, draw.validation, draw.test)
    for number, part in enumerate(parts):
        assert {image.class_name for image in part} >= {"jaguar", "blank"}
        for other in parts[number + 1 :]:
            assert not {i.sequence for i in part} & {i.sequence for i in other}
    assert {image.class_name for image in draw.training} == set(draw.classes)
    assert {image.location for image in draw.test} == {"Peru-S90-SDZG173"}
    learned, judged = (
        [i.captured_at for i in part if i.captured_at] for part in (draw.labelled, draw.test)
    )
    assert judged
    assert min(abs((a - b).total_seconds()) for a in learned for b in judged) > SAME_MOMENT_S
    assert not {i.location for i in draw.labelled} & {i.location for i in draw.test}
    assert all(i.class_name == "blank" for i in draw.test if i.path in unsure)
    assert sum(image.path not in unsure for image in draw.test) == 23


@pytest.mark.real_data
def test_the_real_case_counts_jaguars_false_alarms_and_unsure_blanks_apart(
    real_data: Path, tmp_path: Path
) -> None:
    draw, unsure = draw_of(real_data, tmp_path)
    rows = np.full((len(draw.test), 3), 0.1, np.float32)
    rows[:, 0] = 0.8  # a jaguar in every image
    always = Contender("always", rows, {"jaguar": 0.5}, 0, 0, 1.0)
    figures = real_figures([always], draw, unsure)
    assert figures["jaguars_found"] == 3
    assert figures["false_alarms"] == 20
    assert figures["called_among_unsure_blanks"] == len(unsure) == len(draw.test) - 23
