from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contenders import Contender

ROWS = np.asarray([[0.9, 0.1], [0.25, 0.75]], np.float32)


def _contender(
    rows: np.ndarray = ROWS, on: float = 0.5, uncalibrated: np.ndarray | None = None
) -> Contender:
    return Contender("probe", rows, {"leopard": on}, 10, 100, 1.5, uncalibrated=uncalibrated)


def test_a_contender_keeps_what_it_was_given() -> None:
    given = _contender(uncalibrated=ROWS)
    assert (given.trainable_params, given.steps, given.seconds, given.note) == (10, 100, 1.5, "")


@pytest.mark.parametrize(
    "rows",
    [ROWS[0], ROWS * 2, -ROWS, np.full((2, 2), np.nan, np.float32), ROWS * 0.9],
    ids=["one row", "above 1", "negative", "nan", "sum of 0.9"],
)
def test_what_is_no_probability_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="probe: probabilities"):
        _contender(rows)
    with pytest.raises(ValueError, match="probe: uncalibrated"):
        _contender(uncalibrated=rows)


def test_rows_of_two_kinds_must_be_of_the_same_images() -> None:
    with pytest.raises(ValueError, match=r"uncalibrated is \(1, 2\), probabilities are \(2, 2\)"):
        _contender(uncalibrated=ROWS[:1])


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the threshold of leopard is not in 0\.\.1"):
        _contender(on=1.5)


def test_some_of_the_images_keep_their_order_and_both_kinds_of_rows() -> None:
    found = _contender(uncalibrated=ROWS[::-1]).among([1])
    np.testing.assert_array_equal(found.probabilities, ROWS[[1]])
    assert found.uncalibrated is not None
    np.testing.assert_array_equal(found.uncalibrated, ROWS[[0]])
