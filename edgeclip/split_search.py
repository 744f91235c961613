"""Put whole groups into parts so that each part holds what it must: a seeded search."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

_TRIES, _STARTS, _SWEEPS = 3000, 10, 10
_MISSING_TARGET, _MISSING_CLASS = 100.0, 5.0  # costs; a share's deviation costs at most 3 a class


def assign_groups(
    groups: Sequence[str],
    classes: Sequence[str],
    targets: Sequence[str],
    *,
    seed: int,
    shares: Sequence[float],
    barred: Collection[str] = (),
) -> dict[str, int] | None:
    """Return the part of each group at the lowest cost found from many seeded tries.

    Args:
        groups: The group of each image: what must not be torn apart.
        classes: The class of each image.
        targets: Classes that each part must hold, beside at least one image of another class.
        seed: Of the tries.
        shares: Wanted share of each class's images in each part; they sum to 1.
        barred: Groups that the last part must not hold.

    Returns:
        Part number by group, or None where some part would lack a target.
    """
    names = sorted(set(groups))
    counts, is_target = _counts(groups, classes, names, targets)
    wanted, last = np.asarray(shares), len(shares) - 1
    is_barred = np.asarray([name in barred for name in names])

    def costs(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        wrong = ((rows == last) & is_barred).any(axis=1)
        return np.where(wrong, np.inf, _costs(rows, counts, is_target, wanted))

    rng = np.random.default_rng(seed)
    tries = rng.choice(len(shares), size=(_TRIES, len(names)), p=shares)
    others = rng.choice(last, size=tries.shape, p=wanted[:last] / wanted[:last].sum())
    tries = np.where((tries == last) & is_barred, others, tries)
    starts = tries[np.argsort(costs(tries), kind="stable")[:_STARTS]]
    ends = np.stack([_descend(start, len(shares), costs) for start in starts])
    best = ends[int(np.argmin(costs(ends)))]
    if costs(best[None])[0] >= _MISSING_TARGET:
        return None
    return {name: int(part) for name, part in zip(names, best, strict=True)}


def _descend(
    row: NDArray[np.int64],
    parts: int,
    costs: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.int64]:
    """Move single groups to other parts for as long as that lowers the cost."""
    for _ in range(_SWEEPS):
        before = row
        for group in range(len(row)):
            moves = np.repeat(row[None], parts, axis=0)
            moves[:, group] = np.arange(parts)
            found = costs(moves)
            better = int(np.argmin(found))
            row = moves[better] if found[better] < found[row[group]] else row
        if (row == before).all():
            break
    return row


def _counts(
    groups: Sequence[str], classes: Sequence[str], names: Sequence[str], targets: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return images by group and class, and which classes are targets."""
    columns = sorted({*classes, *targets})
    row, column = ({n: i for i, n in enumerate(order)} for order in (names, columns))
    counts = np.zeros((len(names), len(columns)))
    for group, class_name in zip(groups, classes, strict=True):
        counts[row[group], column[class_name]] += 1
    return counts, np.asarray([name in targets for name in columns])


def _costs(
    rows: NDArray[np.int64],
    counts: NDArray[np.float64],
    is_target: NDArray[np.bool_],
    shares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what each try costs: targets missing in a part, then classes, then uneven shares."""
    by_part = np.stack([(rows == part) @ counts for part in range(len(shares))], axis=1)
    absent = by_part == 0
    costs = _MISSING_TARGET * absent[..., is_target].sum(axis=(1, 2))
    if not is_target.all():
        costs = costs + _MISSING_TARGET * absent[..., ~is_target].all(axis=2).sum(axis=1)
    costs = costs + _MISSING_CLASS * absent[:, 0].sum(axis=1) + absent[:, 1:].sum(axis=(1, 2))
    share = by_part / np.maximum(by_part.sum(axis=1, keepdims=True), 1)
    return np.asarray(costs + ((share - shares[:, None]) ** 2).sum(axis=(1, 2)), np.float64)
