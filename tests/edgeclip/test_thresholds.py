from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.errors import GateError
from edgeclip.thresholds import HIGHEST, LOWEST, choose_thresholds


def _arrays(values: list[float], truth: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(values, np.float32), np.asarray(truth)


def test_a_clean_gap_is_cut_in_its_middle() -> None:
    chosen = choose_thresholds(*_arrays([0.1, 0.2, 0.8, 0.9], [False, False, True, True]))
    assert chosen.on == pytest.approx(0.5)
    assert chosen.off < chosen.on < chosen.peak < 1


def test_the_best_f1_wins() -> None:
    values, truth = [0.1] * 9 + [0.3] * 9 + [0.6] * 9, [False] * 9 + [True] * 18
    assert choose_thresholds(*_arrays(values, truth)).on == pytest.approx(0.2)


def test_of_thresholds_as_good_within_one_image_the_one_nearest_to_a_half_is_taken() -> None:
    values = [0.1, 0.2, 0.91, 0.99, 0.995, 0.999]
    chosen = choose_thresholds(*_arrays(values, [False, False, False, True, True, True]))
    assert chosen.on == pytest.approx(0.555)


def test_a_wanted_precision_takes_the_lowest_threshold_that_reaches_it() -> None:
    values, truth = _arrays([0.1, 0.3, 0.55, 0.6, 0.9], [False, True, False, True, True])
    assert choose_thresholds(values, truth, min_precision=1.0).on == pytest.approx(0.575)
    assert choose_thresholds(values, truth, min_precision=0.7).on == pytest.approx(0.2)


def test_a_wanted_precision_may_need_a_threshold_near_one() -> None:
    values, truth = _arrays([0.96] * 20 + [0.99] * 50, [False] * 20 + [True] * 50)
    assert choose_thresholds(values, truth, min_precision=0.99).on == pytest.approx(0.975)
    assert choose_thresholds(values, truth).on <= HIGHEST


def test_the_stored_threshold_itself_reaches_the_wanted_precision() -> None:
    values, truth = _arrays([0.1, 0.70001, 0.70003, 0.9], [False, False, True, True])
    on = choose_thresholds(values, truth, min_precision=1.0).on
    assert (values >= on).tolist() == truth.tolist()


def test_a_precision_that_nothing_reaches_is_an_error_with_the_best_one() -> None:
    values, truth = _arrays([0.2, 0.9], [True, False])
    with pytest.raises(
        GateError, match=r"precision of 0.9 on the images held out: the best is 0.500"
    ):
        choose_thresholds(values, truth, min_precision=0.9)


def test_a_wanted_recall_takes_the_highest_threshold_that_reaches_it() -> None:
    values, truth = _arrays([0.1, 0.3, 0.55, 0.6, 0.9], [False, True, False, True, True])
    assert choose_thresholds(values, truth, min_recall=1.0).on == pytest.approx(0.2)
    assert choose_thresholds(values, truth, min_recall=0.6).on == pytest.approx(0.575)


def test_both_wishes_are_met_at_the_best_f1_or_refused() -> None:
    values, truth = _arrays([0.1, 0.3, 0.55, 0.6, 0.9], [False, True, False, True, True])
    found = choose_thresholds(values, truth, min_precision=0.7, min_recall=0.6)
    assert found.on == pytest.approx(0.2)
    with pytest.raises(GateError, match=r"a recall of 0.9 at a precision of 1.0 .* most is 0.667"):
        choose_thresholds(values, truth, min_precision=1.0, min_recall=0.9)


def test_a_recall_that_nothing_reaches_is_an_error_with_the_most() -> None:
    values, truth = _arrays([0.01, 0.9], [True, True])
    with pytest.raises(GateError, match=r"a recall of 1.0 on the images held out: the most is 0.5"):
        choose_thresholds(values, truth, min_recall=1.0)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=30))
def test_thresholds_are_always_in_order_and_in_bounds(rows: list[tuple[float, bool]]) -> None:
    chosen = choose_thresholds(*_arrays([v for v, _ in rows], [t for _, t in rows]))
    assert LOWEST <= chosen.on <= HIGHEST
    assert chosen.off <= chosen.on <= chosen.peak
