"""Labelled images say at which threshold a taught class would be found better, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.evaluation.comparison import Comparison, compare
from edgeclip.teaching.better_threshold import better_thresholds
from support.judged import Row, contender, judged

TAUGHT = {"taught/leopard/images": 3.0, "taught/leopard/others": 40.0}


def _compared(own: list[float], shown: int) -> Comparison:
    """Compare a pack whose probabilities of leopard are given; the first images show one."""
    rows = [Row("leopard" if n < shown else "blank") for n in range(len(own))]
    found = np.zeros((len(own), 3), np.float32)
    images = judged(rows)
    leopard, blank = (list(images.class_names).index(name) for name in ("leopard", "blank"))
    found[:, leopard], found[:, blank] = own, 1 - np.asarray(own)
    return compare([contender(found)], images, targets=["leopard"], is_known_place=None)


def test_a_threshold_that_finds_more_of_the_images_is_named_with_what_it_rests_on() -> None:
    [said] = better_thresholds(TAUGHT, _compared([0.4] * 6 + [0.1] * 6, shown=6))
    assert said.startswith("leopard: at a threshold of 0.25 it would have precision 1.00 and")
    assert "at its 0.50 it has no precision (it calls nothing) and recall 0.00" in said
    assert "on these 12 images, which chose it, so that this is optimistic" in said


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ([0.9] * 6 + [0.1] * 6, 6),
        ([0.4] * 4 + [0.1] * 20, 4),
        ([0.4] * 20 + [0.1] * 4, 20),
    ],
    ids=["its own is as good", "four images show it", "four images do not"],
)
def test_nothing_is_said_where_its_own_is_as_good_or_few_images_judge(
    own: list[float], shown: int
) -> None:
    assert better_thresholds(TAUGHT, _compared(own, shown)) == []


def test_of_a_class_that_was_trained_nothing_is_said() -> None:
    assert better_thresholds({}, _compared([0.4] * 6 + [0.1] * 6, shown=6)) == []
