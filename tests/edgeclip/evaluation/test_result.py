from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from edgeclip.evaluation.result import Evaluation, evaluate, mean_average_precision
from edgeclip.regions import Region
from edgeclip.scoring import image_probabilities

NAMES = ["leopard", "deer", "blank"]


def _evaluate(on: dict[str, float], *, images: int = 60, seed: int = 0) -> Evaluation:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1, 1, 1], images).astype(np.float32)
    classes = rng.integers(0, 3, images)
    places = [f"P{index % 4}" for index in range(images)]
    return evaluate(probabilities, classes, places, class_names=NAMES, on=on)


def test_the_figures_equal_those_of_scikit_learn() -> None:
    result = _evaluate({"leopard": 0.4})
    truth = result.classes == 0
    called = np.asarray([decision == "leopard" for decision in result.decisions])
    scores = result.targets["leopard"]
    assert scores.precision == pytest.approx(precision_score(truth, called))
    assert scores.recall == pytest.approx(recall_score(truth, called))
    assert scores.f1 == pytest.approx(f1_score(truth, called))
    area = average_precision_score(truth, result.probabilities[:, 0])
    assert scores.average_precision == pytest.approx(area)
    assert scores.support == truth.sum()


def test_a_decision_is_the_likeliest_target_that_reaches_its_threshold() -> None:
    probabilities = np.asarray([[0.45, 0.5, 0.05], [0.3, 0.2, 0.5]], np.float32)
    result = evaluate(
        probabilities, np.asarray([0, 2]), ["A", "A"], class_names=NAMES,
        on={"leopard": 0.4, "deer": 0.6},
    )  # fmt: skip
    assert result.decisions == ("leopard", None)
    assert result.worst_place == ("A", 1.0)


def test_the_confusion_counts_every_image_once() -> None:
    result = _evaluate({"leopard": 0.5})
    assert result.confusion.sum() == result.images
    assert result.confusion.trace() / result.images == pytest.approx(result.accuracy)


def test_the_worst_place_has_the_lowest_share_and_enough_images() -> None:
    probabilities = np.asarray([[0.9, 0.05, 0.05]] * 11, np.float32)
    classes = np.asarray([0] * 5 + [2] * 2 + [0] * 3 + [2])
    places = ["A"] * 5 + ["B"] * 5 + ["C"]
    result = evaluate(probabilities, classes, places, class_names=NAMES, on={"leopard": 0.5})
    assert result.worst_place == ("B", 0.6)


def test_a_target_without_images_has_no_area_and_stays_out_of_the_flat_figures() -> None:
    result = evaluate(
        np.asarray([[0.2, 0.3, 0.5]], np.float32), np.asarray([2]), ["A"],
        class_names=NAMES, on={"leopard": 0.5},
    )  # fmt: skip
    assert np.isnan(result.targets["leopard"].average_precision)
    assert "test/leopard/average_precision" not in result.flat("test")
    assert result.flat("test")["test/accuracy"] == 1.0
    assert mean_average_precision(result.probabilities, result.classes, [0]) == 0


def test_an_image_takes_the_region_with_the_likeliest_target() -> None:
    regions = [Region(4, None, 0), Region(4, (0, 0, 1, 1), 0), Region(2, None, 0)]
    rows = np.asarray([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32)
    indices, probabilities = image_probabilities(regions, rows, [0])
    assert indices == [4, 2]
    np.testing.assert_array_equal(probabilities, rows[[1, 2]])
