"""Put whole groups into parts so that each part holds what it must: a seeded search."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

_TRIES, _STARTS, _SWEEPS = 3000, 10, 10
_BLOCK = 250  # tries at once
_MISSING_TARGET, _MISSING_CLASS = 100.0, 5.0  # costs; a share's deviation costs at most 3 a class

Costs = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""`(n, parts, classes)` images of n tries -> what each costs."""


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
    wanted = np.asarray(shares)
    is_barred = np.asarray([name in barred for name in names])

    def costs(by_part: NDArray[np.float64]) -> NDArray[np.float64]:
        return _costs(by_part, is_target, wanted)

    starts = _starts(counts, is_barred, wanted, seed, costs)
    ends = np.stack([_descend(start, counts, is_barred, len(shares), costs) for start in starts])
    found = costs(_by_part(ends, counts, len(shares)))
    if found.min() >= _MISSING_TARGET:
        return None
    best = ends[int(np.argmin(found))]
    return {name: int(part) for name, part in zip(names, best, strict=True)}


def _starts(
    counts: NDArray[np.float64],
    is_barred: NDArray[np.bool_],
    shares: NDArray[np.float64],
    seed: int,
    costs: Costs,
) -> NDArray[np.int8]:
    """Return the best of many random tries, none with a barred group in the last part."""
    rng, last = np.random.default_rng(seed), len(shares) - 1
    blocks = [range(at, min(at + _BLOCK, _TRIES)) for at in range(0, _TRIES, _BLOCK)]
    shapes = [(len(block), len(counts)) for block in blocks]  # all tries at once fill the memory
    tries = [rng.choice(last + 1, size=shape, p=shares).astype(np.int8) for shape in shapes]
    if is_barred.any():
        p = shares[:last] / shares[:last].sum()
        for block in tries:
            others = rng.choice(last, size=block.shape, p=p)
            np.copyto(block, others, where=(block == last) & is_barred, casting="unsafe")
    found = np.concatenate([costs(_by_part(block, counts, last + 1)) for block in tries])
    best = np.argsort(found, kind="stable")[:_STARTS]
    return np.stack([tries[row // _BLOCK][row % _BLOCK] for row in best])


def _descend(
    row: NDArray[np.int8],
    counts: NDArray[np.float64],
    is_barred: NDArray[np.bool_],
    parts: int,
    costs: Costs,
) -> NDArray[np.int8]:
    """Move single groups to other parts for as long as that lowers the cost.

    What a move costs depends on the group's counts and part alone: groups that are alike, as of
    thousands of single images, are tried once until something moves.
    """
    row, by_part = row.copy(), _by_part(row[None], counts, parts)[0]
    kinds = _kinds(counts, is_barred)
    for _ in range(_SWEEPS):
        settled: set[tuple[int, int]] = set()
        has_moved = False
        for group, key in enumerate(zip(kinds, row.tolist(), strict=True)):
            if key in settled:
                continue
            here = int(row[group])
            moves = np.repeat(by_part[None], parts, axis=0)
            moves[:, here] -= counts[group]
            moves[np.arange(parts), np.arange(parts)] += counts[group]
            found = costs(moves)
            found[-1] = np.inf if is_barred[group] else found[-1]
            better = int(np.argmin(found))
            if found[better] < found[here]:
                row[group], by_part, has_moved = better, moves[better], True
                settled.clear()
            else:
                settled.add(key)
        if not has_moved:
            break
    return row


def _kinds(counts: NDArray[np.float64], is_barred: NDArray[np.bool_]) -> list[int]:
    """Return a number for each group, equal for those with equal counts."""
    both = np.concatenate([counts, is_barred[:, None]], axis=1)
    _, kinds = np.unique(both, axis=0, return_inverse=True)
    return [int(kind) for kind in kinds.ravel()]


def _by_part(
    rows: NDArray[np.int8], counts: NDArray[np.float64], parts: int
) -> NDArray[np.float64]:
    """Return `(n, parts, classes)` images of `n` tries `(n, groups)`."""
    return np.stack([(rows == part) @ counts for part in range(parts)], axis=1)


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
    by_part: NDArray[np.float64],
    is_target: NDArray[np.bool_],
    shares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what each try costs: targets missing in a part, then classes, then uneven shares."""
    absent = by_part == 0
    costs = _MISSING_TARGET * absent[..., is_target].sum(axis=(1, 2))
    if not is_target.all():
        costs = costs + _MISSING_TARGET * absent[..., ~is_target].all(axis=2).sum(axis=1)
    costs = costs + _MISSING_CLASS * absent[:, 0].sum(axis=1) + absent[:, 1:].sum(axis=(1, 2))
    share = by_part / np.maximum(by_part.sum(axis=1, keepdims=True), 1)
    return np.asarray(costs + ((share - shares[:, None]) ** 2).sum(axis=(1, 2)), np.float64)
