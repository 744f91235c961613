from __future__ import annotations

import numpy as np
import pytest

from edgeclip.calibration import (
    brier_score,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
)
from edgeclip.contract.postprocess import softmax


def _sampled(scale: float, *, images: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn from the softmax of logits / scale."""
    rng = np.random.default_rng(0)
    logits = (scale * rng.normal(0, 1.5, (images, 3))).astype(np.float32)
    probabilities = softmax(logits, scale)
    classes = np.asarray([rng.choice(3, p=p / p.sum()) for p in probabilities.astype(np.float64)])
    return logits, classes


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_the_temperature_that_made_the_labels_is_found(scale: float) -> None:
    logits, classes = _sampled(scale)
    assert fit_temperature(logits, classes, [0, 1, 2]) == pytest.approx(scale, rel=0.15)


def test_calibration_lowers_the_error() -> None:
    logits, classes = _sampled(4.0)
    temperature = fit_temperature(logits, classes, [0, 1, 2])
    before, after = (
        expected_calibration_error(softmax(logits, t), classes) for t in (1.0, temperature)
    )
    assert before > 0.1
    assert after < 0.03


def test_a_few_images_that_are_all_right_do_not_make_it_certain() -> None:
    logits = np.asarray([[3, -3], [2, -2], [-3, 3], [-2, 2]], np.float32)
    temperature = fit_temperature(logits, np.asarray([0, 0, 1, 1]), [0, 1])
    assert 0.5 < float(softmax(logits, temperature)[:2, 0].min()) < 0.95


def test_columns_of_one_class_are_summed() -> None:
    logits = np.log(np.asarray([[0.2, 0.3, 0.5]], np.float32))
    split, whole = (
        log_loss(given, np.asarray([1]), columns, 1.0)
        for given, columns in (
            (logits, [0, 1, 1]),
            (np.log(np.asarray([[0.2, 0.8]], np.float32)), [0, 1]),
        )
    )
    assert split == pytest.approx(whole, rel=1e-5)


def test_the_error_of_perfect_and_of_boastful_probabilities() -> None:
    sure = np.asarray([[1.0, 0.0]] * 10, np.float32)
    assert expected_calibration_error(sure, np.zeros(10, np.int64)) == 0
    assert expected_calibration_error(sure, np.ones(10, np.int64)) == 1


def test_probabilities_are_held_against_what_came_true_bin_by_bin() -> None:
    probabilities = np.asarray([0.05, 0.05, 0.95, 1.0], np.float32)
    found = reliability(probabilities, np.asarray([False, True, True, True]))
    assert found.counts[[0, 14]].tolist() == [2, 2]
    assert found.came_true[[0, 14]].tolist() == [0.5, 1]
    assert found.said[14] == pytest.approx(0.975)
    assert np.isnan(found.said[7])
    assert found.error == pytest.approx((0.45 * 2 + 0.025 * 2) / 4)


def test_the_brier_score_is_the_mean_squared_difference() -> None:
    assert brier_score(np.asarray([0.8, 0.4], np.float32), np.asarray([True, False])) == (
        pytest.approx((0.04 + 0.16) / 2)
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_coarse_search_finds_what_the_whole_grid_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [0, 0, 1, 1, 1, 2][: int(rng.integers(3, 7))]
    logits = rng.normal(0, float(rng.choice([0.3, 3, 30])), (30, len(columns))).astype(np.float32)
    classes = rng.integers(0, max(columns) + 1, 30)
    grid = np.geomspace(0.05, 20, 241)
    least = min(log_loss(logits, classes, columns, float(t)) for t in grid)
    found = log_loss(logits, classes, columns, fit_temperature(logits, classes, columns))
    assert found == pytest.approx(least, abs=1e-12)
