from __future__ import annotations

import pytest

from edgeclip_device.capture.health import LastHour, Rate, quality


@pytest.mark.parametrize(
    ("fps", "stalls", "reopens", "word"),
    [
        (9.0, 4, 0, "excellent"),
        (9.0, 5, 0, "fair"),
        (8.9, 0, 0, "fair"),
        (6.0, 0, 2, "fair"),
        (5.9, 0, 0, "poor"),
        (10.0, 0, 3, "poor"),
        (10.0, 101, 0, "unusable"),
        (10.0, 0, 11, "unusable"),
    ],
)
def test_quality_is_one_word(fps: float, stalls: int, reopens: int, word: str) -> None:
    assert quality(fps, 10.0, stalls, reopens) == word


def test_a_rate_that_is_not_known_counts_as_met() -> None:
    assert quality(None, 10.0, 0, 0) == "excellent"
    assert quality(3.0, None, 0, 0) == "excellent"


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    hour = LastHour()
    hour.add(0.0)
    hour.add(1800.0, 2)
    assert [hour.count(at_s) for at_s in (1800.0, 3601.0, 5401.0)] == [3, 2, 0]


def test_the_rate_is_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.per_s(0.0, 0) is None
    for second in range(0, 200, 2):
        rate.sample(float(second), 10 * second if second < 100 else 1000)
    assert rate.per_s(198.0, 1000) == pytest.approx(0.0)
    rate.sample(199.0, 5)  # a new process counts from 0
    assert rate.per_s(201.0, 25) == pytest.approx(10.0)
