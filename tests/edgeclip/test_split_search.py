from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.split_search import _by_part, _costs, _descend, _starts, assign_groups

SHARES = np.asarray((0.6, 0.2, 0.2))


def _costs_of(counts: NDArray[np.float64], row: NDArray[np.int8]) -> float:
    is_target = np.asarray([True] + [False] * (counts.shape[1] - 1))
    return float(_costs(_by_part(row[None], counts, 3), is_target, SHARES)[0])


def _random_counts(seed: int, groups: int, most: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).integers(0, most, (groups, 3)).astype(np.float64)


def _one_at_a_time(counts: NDArray[np.float64], row: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what moving groups one at a time gives, each time looked at as a whole."""
    row = row.copy()
    for _ in range(10):
        before = row.copy()
        for group in range(len(row)):
            moves = [np.where(np.arange(len(row)) == group, part, row) for part in range(3)]
            found = [_costs_of(counts, move.astype(np.int8)) for move in moves]
            better = int(np.argmin(found))
            row[group] = better if found[better] < found[row[group]] else row[group]
        if (row == before).all():
            break
    return row


@pytest.mark.parametrize("seed", range(6))
def test_groups_that_are_alike_end_where_looking_at_each_would_put_them(seed: int) -> None:
    counts = _random_counts(seed, 40, 2 if seed % 2 else 9)
    start = np.random.default_rng(seed).integers(0, 3, 40).astype(np.int8)
    is_target = np.asarray([True, False, False])
    found = _descend(
        start, counts, np.zeros(40, np.bool_), 3, lambda by: _costs(by, is_target, SHARES)
    )
    assert found.tolist() == _one_at_a_time(counts, start).tolist()


def test_thousands_of_single_images_are_not_tried_one_by_one() -> None:
    rng = random.Random(3)
    counts = np.zeros((4000, 3))
    counts[np.arange(4000), [rng.randrange(3) for _ in range(4000)]] = 1
    tried: list[int] = []

    def costs(by_part: NDArray[np.float64]) -> NDArray[np.float64]:
        tried.append(len(by_part))
        return _costs(by_part, np.asarray([True, False, False]), SHARES)

    nobody = np.zeros(4000, np.bool_)
    start = _starts(counts, nobody, SHARES, 1, costs)[0]
    tried.clear()
    _descend(start, counts, nobody, 3, costs)
    assert len(tried) < 1000  # one by one: 4000 a sweep


def test_barred_groups_are_never_in_the_last_part() -> None:
    groups = [f"g{number}" for number in range(300)]
    classes = [("leopard", "blank")[number % 2] for number in range(300)]
    barred = groups[:150]
    found = assign_groups(
        groups, classes, ["leopard"], seed=2, shares=(0.6, 0.2, 0.2), barred=barred
    )
    assert found is not None
    assert not {found[name] for name in barred} & {2}
    assert sum(part == 2 for part in found.values()) == 60


def test_a_target_that_cannot_be_in_every_part_has_no_split() -> None:
    assert (
        assign_groups(["a", "a", "b", "b"], ["cat"] * 4, ["cat"], seed=1, shares=(0.6, 0.2, 0.2))
        is None
    )
