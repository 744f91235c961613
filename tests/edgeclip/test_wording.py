from __future__ import annotations

import math

import pytest

from edgeclip.evaluation.bootstrap import Difference, Interval
from edgeclip.wording import decimal, difference, interval, percent, percent_interval, whole

KNOWN = Interval(0.912, 0.8, 1.0, 9)
FEW = Interval(0.5, math.nan, math.nan, 2, {"A": 1.0, "B": 0.0, "C": math.nan})


def test_figures_have_two_digits_and_what_is_not_defined_is_a_dash() -> None:
    assert (decimal(0.905), whole(1234.6), percent(0.5)) == ("0.91", "1,235", "50 %")
    assert {decimal(math.nan), whole(math.nan), percent(math.inf)} == {"-"}


def test_an_interval_stands_in_brackets_where_there_is_one() -> None:
    assert interval(KNOWN) == "0.91 (0.80 to 1.00)"
    assert interval(FEW) == "0.50"
    assert percent_interval(KNOWN) == "95 % certain: 80 % to 100 %"
    assert percent_interval(FEW) == "too few places for more certainty: A 100 %, B 0 %"
    assert percent_interval(Interval(1, math.nan, math.nan, 1)) == (
        "too few places to say how certain"
    )


@pytest.mark.parametrize(
    ("estimate", "low", "high", "text"),
    [
        (0.1, -0.05, 0.25, "+0.10 (-0.05 to +0.25)"),
        (-0.001, -0.2, 0.004, "0.00 (-0.20 to 0.00)"),
        (0.3, math.nan, math.nan, "+0.30"),
        (math.nan, math.nan, math.nan, "-"),
    ],
)
def test_a_difference_has_its_sign(estimate: float, low: float, high: float, text: str) -> None:
    assert difference(Difference(1, 1, Interval(estimate, low, high, 9))) == text
