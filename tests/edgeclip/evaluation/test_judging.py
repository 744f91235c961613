from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as known

from edgeclip.calibration import expected_calibration_error
from edgeclip.evaluation.bootstrap import Interval
from edgeclip.evaluation.judging import Judgement, judge
from support.judged import NAMES, Row, contender, judged, many, noisy, sure_of

IMAGES = many()
PROBABILITIES = noisy(IMAGES, 2)
LABELS = PROBABILITIES.argmax(axis=1)
JUDGEMENT = judge(contender(PROBABILITIES, uncalibrated=noisy(IMAGES, 1)), IMAGES, ["leopard"])


def test_the_overall_figures_are_those_of_scikit_learn() -> None:
    truth = IMAGES.classes
    assert JUDGEMENT.accuracy.estimate == pytest.approx(known.accuracy_score(truth, LABELS))
    assert JUDGEMENT.macro_f1.estimate == pytest.approx(
        known.f1_score(truth, LABELS, average="macro")
    )
    assert JUDGEMENT.macro_recall.estimate == pytest.approx(
        known.balanced_accuracy_score(truth, LABELS)
    )


def test_the_figures_of_each_class_are_those_of_scikit_learn() -> None:
    report = known.classification_report(
        IMAGES.classes, LABELS, target_names=NAMES, output_dict=True
    )
    for number, scores in enumerate(JUDGEMENT.classes):
        expected = report[scores.name]
        assert scores.precision == pytest.approx(expected["precision"])
        assert scores.recall == pytest.approx(expected["recall"])
        assert scores.f1 == pytest.approx(expected["f1-score"])
        assert scores.support == expected["support"]
        area = known.average_precision_score(IMAGES.classes == number, PROBABILITIES[:, number])
        assert scores.average_precision == pytest.approx(area)


def test_the_target_s_figures_fit_its_decisions() -> None:
    figures, scores = JUDGEMENT.targets["leopard"], JUDGEMENT.frames.targets["leopard"]
    assert figures.f1.estimate == pytest.approx(scores.f1)
    assert figures.precision.estimate == pytest.approx(scores.precision)
    assert figures.recall.estimate == pytest.approx(scores.recall)
    assert figures.average_precision.estimate == pytest.approx(scores.average_precision)
    recalls = [figures.recall_at[p].estimate for p in (0.90, 0.95, 0.98)]
    assert recalls == sorted(recalls, reverse=True)
    truth = (IMAGES.classes == 0).astype(int)
    assert figures.brier == pytest.approx(known.brier_score_loss(truth, PROBABILITIES[:, 0]))


def test_every_interval_holds_its_estimate() -> None:
    figures = JUDGEMENT.targets["leopard"]
    intervals: list[Interval] = [
        JUDGEMENT.accuracy, JUDGEMENT.macro_f1, figures.f1, figures.average_precision,
        *JUDGEMENT.blanks_removed.values(),
    ]  # fmt: skip
    assert all(i.low <= i.estimate <= i.high and i.groups == 8 for i in intervals)


def test_calibration_is_told_before_and_after_the_temperature() -> None:
    assert JUDGEMENT.reliability.error == pytest.approx(
        expected_calibration_error(PROBABILITIES, IMAGES.classes)
    )
    assert JUDGEMENT.ece_before == pytest.approx(
        expected_calibration_error(noisy(IMAGES, 1), IMAGES.classes)
    )
    without = judge(contender(PROBABILITIES), IMAGES, ["leopard"])
    assert math.isnan(without.ece_before)
    assert math.isnan(without.targets["leopard"].ece_before)


def test_blanks_are_put_aside_as_far_as_the_animals_stay() -> None:
    rows = [Row("leopard")] * 4 + [Row("blank")] * 4
    blank = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9]
    probabilities = [[0.9 - p, 0.1, p] if p <= 0.9 else [0, 0, 1] for p in blank]
    found = judge(contender(probabilities), judged(rows), ["leopard"]).blanks_removed
    assert found[0.95].estimate == pytest.approx(0.75)


@pytest.mark.parametrize("label", ["leopard", "blank"])
def test_without_blanks_or_without_animals_nothing_is_said_of_them(label: str) -> None:
    found = judge(contender(sure_of(["leopard"] * 3)), judged([Row(label)] * 3), ["leopard"])
    assert found.blanks_removed == {}


def test_classes_without_a_blank_are_judged() -> None:
    images = judged([Row("leopard"), Row("deer")], ("leopard", "deer"))
    found = judge(contender([[0.9, 0.1], [0.2, 0.8]]), images, ["leopard"])
    assert found.accuracy.estimate == 1
    assert found.blanks_removed == {}


def _one(said: str, label: str = "leopard") -> Judgement:
    return judge(contender(sure_of([said])), judged([Row(label)]), ["leopard"])


def test_one_image_is_judged_without_intervals() -> None:
    found = _one("leopard")
    assert found.frames.targets["leopard"].f1 == 1
    assert not found.accuracy.is_known
    assert found.targets["leopard"].alerts is None


def test_a_target_without_images_has_figures_that_are_not_defined() -> None:
    figures = _one("blank", "blank").targets["leopard"]
    assert math.isnan(figures.f1.estimate)
    assert math.isnan(figures.average_precision.estimate)


def test_a_sequence_is_found_by_its_mean_or_by_any_frame() -> None:
    rows = [Row("leopard", sequence="A/1"), Row("leopard", sequence="A/1")]
    images = judged(rows)
    found = judge(contender([[0.6, 0.2, 0.2], [0.1, 0.1, 0.8]]), images, ["leopard"])
    assert found.frames.targets["leopard"].recall == 0.5
    assert found.sequences.targets["leopard"].recall == 0
    assert found.targets["leopard"].sequence_recall == 1


def test_the_same_images_give_the_same_figures() -> None:
    again = judge(contender(PROBABILITIES), IMAGES, ["leopard"])
    assert again.accuracy == JUDGEMENT.accuracy
    assert np.array_equal(again.frames.confusion, JUDGEMENT.frames.confusion)


def test_a_frame_with_the_label_of_its_sequence_counts_for_the_sequence_alone() -> None:
    rows = [
        Row("leopard", sequence="A/1"), Row("leopard", sequence="A/2", sequence_level=True),
        Row("leopard", sequence="A/2", sequence_level=True), Row("blank", sequence="A/3"),
    ]  # fmt: skip
    said = sure_of(["leopard", "blank", "leopard", "blank"])
    found = judge(contender(said), judged(rows), ["leopard"])
    assert (found.frames.targets["leopard"].support, found.frames.targets["leopard"].recall) == (
        1,
        1,
    )
    assert found.accuracy.estimate == 1
    assert len(found.contender.probabilities) == 2
    assert found.sequences.targets["leopard"].support == 2
    assert found.targets["leopard"].sequence_recall == 1


def test_where_no_frame_has_a_label_of_its_own_all_are_judged() -> None:
    rows = [Row("leopard", sequence_level=True), Row("blank", sequence_level=True)]
    found = judge(contender(sure_of(["leopard", "leopard"])), judged(rows), ["leopard"])
    assert found.frames.targets["leopard"].precision == 0.5
