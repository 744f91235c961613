from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from edgeclip.evaluation.bootstrap import (
    bootstrap_interval,
    paired_difference,
    resample_weights,
    widened_quantiles,
)
from edgeclip.evaluation.metrics import accuracy, average_precision, f1, plain


def _places(places: int, images: int) -> list[str]:
    return [f"P{place}" for place in range(places) for _ in range(images)]


def _right(seed: int, *, places: int = 12, images: int = 20) -> np.ndarray:
    """Whether each image is right: every place has its own share, Beta(4, 2), mean 2/3."""
    rng = np.random.default_rng(seed)
    shares = np.repeat(rng.beta(4, 2, places), images)
    return (rng.random(places * images) < shares).astype(np.int64)


def test_the_interval_over_places_covers_the_truth_about_as_often_as_it_says() -> None:
    truth, groups = np.ones(240, np.int64), _places(12, 20)
    intervals = [
        bootstrap_interval(_right(seed), truth, groups, metric=accuracy, seed=seed)
        for seed in range(300)
    ]
    covered = np.mean([i.low <= 2 / 3 <= i.high for i in intervals])
    assert 0.9 <= covered <= 0.99


def test_an_interval_over_images_would_be_far_too_narrow() -> None:
    truth = np.ones(240, np.int64)
    by_place, by_image = (
        bootstrap_interval(_right(5), truth, groups, metric=accuracy)
        for groups in (_places(12, 20), [str(i) for i in range(240)])
    )
    assert by_image.high - by_image.low < 0.7 * (by_place.high - by_place.low)


def test_quantiles_are_widened_by_student_s_t() -> None:
    for groups in (5, 10, 100):
        lower, upper = widened_quantiles(groups)
        t = stats.t.ppf(0.975, groups - 1)
        expected = stats.norm.cdf(-math.sqrt(groups / (groups - 1)) * t)
        assert lower == pytest.approx(expected, rel=0.01)
        assert upper == 1 - lower
    assert widened_quantiles(100_000)[0] == pytest.approx(0.025, rel=1e-3)


def test_the_mean_of_many_groups_has_the_interval_of_the_textbook() -> None:
    rng = np.random.default_rng(2)
    right = (rng.random(400) < 0.8).astype(np.int64)
    groups = [str(index) for index in range(400)]
    found = bootstrap_interval(right, np.ones(400, np.int64), groups, metric=accuracy)
    half = 1.96 * math.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert found.low == pytest.approx(right.mean() - half, abs=0.007)
    assert found.high == pytest.approx(right.mean() + half, abs=0.007)


def test_fewer_than_five_places_give_their_values_and_no_interval() -> None:
    labels = np.asarray([1, 1, 0, 1, 0, 0])
    found = bootstrap_interval(
        labels, np.ones(6, np.int64), ["A", "A", "A", "B", "C", "C"], metric=accuracy
    )
    assert not found.is_known
    assert found.estimate == pytest.approx(0.5)
    assert found.by_group == pytest.approx({"A": 2 / 3, "B": 1, "C": 0})


def test_no_images_give_neither_figure_nor_interval() -> None:
    found = bootstrap_interval(np.zeros(0), np.zeros(0), [], metric=accuracy)
    assert math.isnan(found.estimate)
    assert not found.is_known


def test_a_target_that_never_occurs_has_no_interval() -> None:
    nothing = np.zeros(40, bool)
    assert not bootstrap_interval(nothing, nothing, _places(10, 4), metric=f1).is_known


def test_all_right_at_few_places_is_not_certain_to_be_right_elsewhere() -> None:
    right = np.ones(60, np.int64)
    found = bootstrap_interval(right, right, _places(6, 10), metric=accuracy)
    exact = stats.binomtest(6, 6).proportion_ci(0.95, method="exact")
    assert found.low == pytest.approx(exact.low)
    assert found.high == 1
    wrong = bootstrap_interval(0 * right, right, _places(6, 10), metric=accuracy)
    assert wrong.low == 0
    assert wrong.high == pytest.approx(1 - exact.low)


def test_only_places_with_the_target_count_for_what_is_said_of_it() -> None:
    truth = np.asarray([place < 5 for place in range(10) for _ in range(4)])
    found = bootstrap_interval(truth, truth, _places(10, 4), metric=f1)
    assert found.low == pytest.approx(0.025 ** (1 / 5))


def test_the_same_seed_gives_the_same_interval_however_the_work_is_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgeclip.evaluation import bootstrap

    arguments = (_right(1), np.ones(240, np.int64), _places(12, 20))
    whole = bootstrap_interval(*arguments, metric=accuracy, seed=4)
    monkeypatch.setattr(bootstrap, "_NUMBERS_AT_ONCE", 5000)
    assert bootstrap_interval(*arguments, metric=accuracy, seed=4) == whole
    assert bootstrap_interval(*arguments, metric=accuracy, seed=5) != whole


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    assert (resample_weights(7, 50, 0).sum(axis=1) == 7).all()


def test_a_model_against_itself_differs_by_nothing() -> None:
    right = _right(3).astype(bool)
    found = paired_difference(right, right, np.ones(240, bool), _places(12, 20))
    assert (found.ours, found.interval.low, found.interval.high) == (found.theirs, 0, 0)
    assert not found.is_better
    assert not found.is_worse


def test_the_difference_is_that_of_the_two_figures_and_turns_with_the_order() -> None:
    rng = np.random.default_rng(9)
    truth = rng.random(240) < 0.5
    good, poor = (np.where(rng.random(240) < share, truth, ~truth) for share in (0.95, 0.7))
    found = paired_difference(good, poor, truth, _places(12, 20))
    turned = paired_difference(poor, good, truth, _places(12, 20))
    assert found.interval.estimate == pytest.approx(plain(f1, good, truth) - plain(f1, poor, truth))
    assert found.is_better
    assert turned.is_worse
    assert turned.interval.low == pytest.approx(-found.interval.high)


def test_a_pair_is_surer_than_two_figures_apart() -> None:
    rng = np.random.default_rng(4)
    ours, truth, groups = _right(6), np.ones(240, np.int64), _places(12, 20)
    theirs = np.where(rng.random(240) < 0.05, 0, ours)
    pair = paired_difference(ours, theirs, truth, groups, metric=accuracy).interval
    alone = bootstrap_interval(ours, truth, groups, metric=accuracy)
    assert pair.high - pair.low < 0.5 * (alone.high - alone.low)


def test_probabilities_can_be_compared_by_their_area() -> None:
    rng = np.random.default_rng(8)
    truth = rng.random(240) < 0.3
    noise = rng.normal(0, 1, (2, 240))
    found = paired_difference(
        truth * 3 + noise[0], noise[1], truth, _places(12, 20), metric=average_precision
    )
    assert found.ours > 0.9
    assert found.is_better


def test_a_difference_that_is_not_there_is_seldom_found() -> None:
    truth, groups = np.ones(240, np.int64), _places(12, 20)
    found = [
        paired_difference(_right(2 * s), _right(2 * s + 1), truth, groups, metric=accuracy)
        for s in range(150)
    ]
    assert np.mean([pair.is_better for pair in found]) < 0.08
