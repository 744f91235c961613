"""What labelled images say of the threshold of a taught class, which nobody had verified."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgeclip.evaluation.comparison import Comparison
from edgeclip.teaching.account import taught_names
from edgeclip.thresholds import choose_thresholds

FEWEST = 5
"""Images with the class and without it, for a word about its threshold."""


def better_thresholds(metrics: Mapping[str, float], comparison: Comparison) -> list[str]:
    """Return of each taught class at which threshold it would be found better, if at any.

    One that is better by less than one image is not named.

    Args:
        metrics: Of `pack.json`.
        comparison: What was measured; its most telling images are looked at.
    """
    scope, pack = comparison.headline, comparison.contenders[0]
    rows = np.asarray(scope.rows, np.int64)
    names, classes = list(comparison.judged.class_names), comparison.judged.classes[rows]
    said = []
    for name in taught_names(metrics):
        if name not in comparison.targets:
            continue
        number = names.index(name)
        own = pack.probabilities[rows, number]
        found = _better(own, classes == number, pack.thresholds[name])
        said += [f"{name}: {found}"] if found else []
    return said


def _better(own: NDArray[np.float32], shown: NDArray[np.bool_], on: float) -> str | None:
    support = int(shown.sum())
    if min(support, len(shown) - support) < FEWEST:
        return None
    best = choose_thresholds(own, shown).on
    (was, before), (now, after) = (_figures(own >= level, shown) for level in (on, best))
    if now <= was + 1 / (2 * support):
        return None
    return (
        f"at a threshold of {best:.2f} it would have {after}, at its {on:.2f} it has {before}, on"
        f" these {len(shown)} images, which chose it, so that this is optimistic; a device takes it"
        " from [inference.thresholds]"
    )


def _figures(called: NDArray[np.bool_], shown: NDArray[np.bool_]) -> tuple[float, str]:
    """Return F1, and precision and recall for people."""
    hits, calls, support = int((called & shown).sum()), int(called.sum()), int(shown.sum())
    precision = f"precision {hits / calls:.2f}" if calls else "no precision (it calls nothing)"
    return 2 * hits / (calls + support), f"{precision} and recall {hits / support:.2f}"
