"""How far a place that was not learned from is from prototypes: each place is left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.prototypes import prototypes_of

_ROUNDS = 10  # at most: with more places than this, some are left out together
_LEAST_PLACES = 2


@dataclass(frozen=True)
class Whence:
    """Where the rows of a training are from.

    Attributes:
        places: Of each row; None where nobody knows.
        frames: Whether it is a whole frame as it is, as an archive's image is.
    """

    places: Sequence[str | None]
    frames: Sequence[bool]


def left_out_distances(
    unit: NDArray[np.float64], whence: Whence, count: int
) -> NDArray[np.float32] | None:
    """Return `(n,)` float32, ascending: of each place the median distance of its frames.

    The distance is 1 - cos to the nearest of the prototypes that the other places give; rows whose
    place is not known give none.

    Args:
        unit: `(r, E)` float64 unit embeddings.
        whence: Of the r rows.
        count: Prototypes, at most.

    Returns:
        None where fewer than two places are known.
    """
    names = np.array([place or "" for place in whence.places])
    frames = np.array(whence.frames, bool)
    known = sorted(set(names[frames].tolist()) - {""})
    if len(known) < _LEAST_PLACES:
        return None
    found: list[float] = []
    for turn in range(min(_ROUNDS, len(known))):
        out = known[turn :: min(_ROUNDS, len(known))]
        rest = unit[np.flatnonzero(~np.isin(names, ["", *out]))]
        keys = prototypes_of(rest, min(count, len(rest)))
        for place in out:
            own = unit[np.flatnonzero(frames & (names == place))]
            distances = 1 - (own @ keys.T).max(axis=1)
            found.append(float(np.quantile(distances, 0.5, method="lower")))
    return np.sort(np.clip(np.array(found, np.float32), 0, 2))
