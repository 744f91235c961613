from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as known

from edgeclip.evaluation import metrics

RNG = np.random.default_rng(7)
TRUTH = RNG.integers(0, 3, 80)
LABELS = np.where(RNG.random(80) < 0.6, TRUTH, RNG.integers(0, 3, 80))
PROBABILITIES = np.round(RNG.random(80), 1).astype(np.float32)  # with many ties
WEIGHTS = RNG.integers(0, 4, (5, 80)).astype(np.float64)
IS_TARGET, CALLED = TRUTH == 1, LABELS == 1
DECIDED: list[metrics.Metric] = [metrics.precision, metrics.recall, metrics.f1]
RANKED: list[metrics.Metric] = [
    metrics.average_precision,
    metrics.recall_at(0.8),
    metrics.precision_at(0.8),
]


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_figures_of_a_target_are_those_of_scikit_learn_also_weighted(name: str) -> None:
    found = getattr(metrics, name)(CALLED, IS_TARGET, WEIGHTS)
    theirs = getattr(known, f"{name}_score")
    expected = [theirs(IS_TARGET, CALLED, sample_weight=row) for row in WEIGHTS]
    np.testing.assert_allclose(found, expected)


def test_figures_of_all_classes_are_those_of_scikit_learn_also_weighted() -> None:
    for row in WEIGHTS:
        weights = row[None]
        assert metrics.accuracy(LABELS, TRUTH, weights) == pytest.approx(
            known.accuracy_score(TRUTH, LABELS, sample_weight=row)
        )
        assert metrics.macro_f1(LABELS, TRUTH, weights) == pytest.approx(
            known.f1_score(TRUTH, LABELS, average="macro", sample_weight=row)
        )
        assert metrics.macro_recall(LABELS, TRUTH, weights) == pytest.approx(
            known.balanced_accuracy_score(TRUTH, LABELS, sample_weight=row)
        )


def test_the_macro_figures_leave_out_classes_that_do_not_occur() -> None:
    labels, truth = np.asarray([0, 2, 1]), np.asarray([0, 0, 1])
    expected = known.f1_score(truth, labels, labels=[0, 1], average="macro")
    assert metrics.plain(metrics.macro_f1, labels, truth) == pytest.approx(expected)
    without_1 = np.asarray([[1.0, 1.0, 0.0]])
    assert metrics.macro_f1(labels, truth, without_1) == pytest.approx(2 / 3)


def test_the_area_is_that_of_scikit_learn_with_ties_and_weights() -> None:
    found = metrics.average_precision(PROBABILITIES, IS_TARGET, WEIGHTS)
    expected = [
        known.average_precision_score(IS_TARGET, PROBABILITIES, sample_weight=row)
        for row in WEIGHTS
    ]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("least", [0.3, 0.5, 0.9])
def test_recall_and_precision_at_a_floor_are_the_best_of_the_curve(least: float) -> None:
    precision, recall, _ = known.precision_recall_curve(IS_TARGET, PROBABILITIES)
    at_precision = metrics.plain(metrics.recall_at(least), PROBABILITIES, IS_TARGET)
    at_recall = metrics.plain(metrics.precision_at(least), PROBABILITIES, IS_TARGET)
    assert at_precision == pytest.approx(max([0, *recall[:-1][precision[:-1] >= least]]))
    assert at_recall == pytest.approx(precision[:-1][recall[:-1] >= least].max())


def test_a_precision_that_no_threshold_reaches_gives_no_recall() -> None:
    probabilities = np.asarray([0.9, 0.8], np.float32)
    truth = np.asarray([False, True])
    assert metrics.plain(metrics.recall_at(0.9), probabilities, truth) == 0


def test_what_has_no_images_is_not_a_number() -> None:
    nothing = np.zeros(3, bool)
    assert all(np.isnan(metrics.plain(metric, nothing, nothing)) for metric in DECIDED)
    values = np.asarray([0.1, 0.2, 0.3], np.float32)
    for metric in RANKED:
        assert np.isnan(metrics.plain(metric, values, nothing))


@given(
    st.lists(
        st.tuples(st.floats(0, 1, width=16), st.booleans(), st.integers(0, 3)),
        min_size=1,
        max_size=25,
    )
)
def test_weights_count_an_image_as_often_as_it_is_drawn(
    rows: list[tuple[float, bool, int]],
) -> None:
    values, truth = np.asarray([r[0] for r in rows], np.float32), np.asarray([r[1] for r in rows])
    times = np.asarray([r[2] for r in rows])
    again = np.repeat(np.arange(len(rows)), times)
    for metric in RANKED:
        weighted = metric(values, truth, times[None].astype(float))[0]
        repeated = metrics.plain(metric, values[again], truth[again]) if len(again) else np.nan
        np.testing.assert_allclose(weighted, repeated, equal_nan=True)
