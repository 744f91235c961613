from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contract.postprocess import best_class, class_probabilities, softmax


def test_a_class_has_the_sum_of_its_columns() -> None:
    columns = np.array([[0.1, 0.2, 0.7]], np.float32)
    result = class_probabilities(columns, [1, 0, 1], 2)
    np.testing.assert_allclose(result, [[0.2, 0.8]], atol=1e-7)


@pytest.mark.parametrize("column_class", [[0, 1], [0, 1, 2], [0, 0, -1]])
def test_column_classes_that_do_not_fit_are_refused(column_class: list[int]) -> None:
    with pytest.raises(ValueError, match="column"):
        class_probabilities(np.zeros((1, 3), np.float32), column_class, 2)


def test_softmax_of_huge_logits_is_finite_and_sums_to_one() -> None:
    result = softmax(np.array([1e4, 0, -1e4], np.float32), temperature=0.5)
    np.testing.assert_allclose(result, [1, 0, 0], atol=1e-7)


def test_a_temperature_above_one_flattens() -> None:
    logits = np.array([2.0, 0.0], np.float32)
    assert softmax(logits, 4.0)[0] < softmax(logits, 1.0)[0]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [([0.5, 0.5], None), ([0.7, 0.3], "leopard"), ([0.3, 0.7], None)],
    ids=["below its threshold", "above", "blank is never named"],
)
def test_only_a_class_that_reaches_its_threshold_is_named(
    probabilities: list[float], expected: str | None
) -> None:
    row = np.array(probabilities, np.float32)
    assert best_class(row, ["leopard", "blank"], {"leopard": 0.6}) == expected
