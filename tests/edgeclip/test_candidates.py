from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.candidates import Judge, Score, better_first
from support.parts import Seen, part_of

NAMES, COLUMNS = ("leopard", "zebra", "blank"), [0, 1, 2, 2]
PLACES = [f"P{number}" for number in range(8)]
SEEN = [Seen(name, place, (1.0,)) for place in PLACES for name in NAMES for _ in range(2)]
PART = part_of(SEEN, NAMES)
TRUTH = PART.classes


def _logits(wrong: float, *, seed: int = 0) -> NDArray[np.float32]:
    """Logits that are right but for a share of the images."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(TRUTH)) < wrong, rng.integers(0, 3, len(TRUTH)), TRUTH)
    logits = rng.normal(0, 0.3, (len(TRUTH), 4))
    logits[np.arange(len(TRUTH)), said] += 3
    return logits.astype(np.float32)


def _judged(logits: NDArray[np.float32], targets: tuple[int, ...] = (0,)) -> Score:
    return Judge(PART, np.arange(len(TRUTH)), COLUMNS, targets).judge(logits)


def test_right_logits_have_all_figures_at_their_best() -> None:
    score = _judged(_logits(0.0))
    assert score.average_precision == pytest.approx(1.0)
    assert score.mean_place == 1.0
    assert score.worst_place == ("P0", 1.0)
    np.testing.assert_array_equal(score.labels, score.truth)
    assert set(score.truth.tolist()) == {0, -1}


def test_the_worst_place_is_where_most_is_wrong() -> None:
    logits = _logits(0.0)
    at = [index for index, one in enumerate(SEEN) if one.place == "P3"]
    logits[at] = logits[at][:, [2, 1, 0, 3]]  # leopard and blank change places
    place, right = _judged(logits).worst_place
    assert place == "P3"
    assert right < 0.5


def test_a_clear_gain_has_an_interval_above_zero_and_the_same_has_none() -> None:
    good, bad = _judged(_logits(0.0)), _judged(_logits(0.9))
    assert good.against(bad).is_better
    assert bad.against(good).is_worse
    same = good.against(good)
    assert not same.is_better
    assert same.interval.estimate == 0


def test_several_targets_are_compared_by_their_mean() -> None:
    good, bad = (_judged(_logits(wrong), (0, 1)) for wrong in (0.0, 0.8))
    assert set(good.truth.tolist()) == {0, 1, -1}
    assert good.against(bad).is_better


def test_with_few_places_intervals_are_over_sequences() -> None:
    part = part_of([Seen(one.class_name, "P0", one.direction) for one in SEEN], NAMES)
    judge = Judge(part, np.arange(len(TRUTH)), COLUMNS, [0])
    good, bad = judge.judge(_logits(0.0)), judge.judge(_logits(0.9))
    assert good.against(bad).interval.groups == len(SEEN)
    assert good.against(bad).is_better


def test_the_order_is_by_average_precision_and_among_equals_by_log_loss() -> None:
    sharp = _logits(0.0)
    scores = [_judged(_logits(0.5)), _judged(sharp + 0.8 * _logits(1.0)), _judged(sharp)]
    assert better_first(scores) == [2, 1, 0]


def test_few_images_leave_more_to_log_loss_than_many() -> None:
    """0.05 of average precision is less than an error of 10 images and more than one of 1,000."""
    one = _judged(_logits(0.0))

    def scores(images: int) -> list[Score]:
        truth = np.tile(np.asarray([0, -1]), images)
        sharp = replace(one, truth=truth, average_precision=0.90, log_loss=0.6)
        return [sharp, replace(sharp, average_precision=0.85, log_loss=0.3)]

    assert better_first(scores(10)) == [1, 0]
    assert better_first(scores(1000)) == [0, 1]


def test_a_target_that_is_never_called_does_not_stop_the_judge() -> None:
    silent = _judged(np.tile(np.asarray([-9, 0, 9, 9], np.float32), (len(TRUTH), 1)))
    assert silent.mean_place < 1
