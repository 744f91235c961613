"""How far images are from what packs have seen, in units that the packs' own training gives.

A training leaves each of its places out in turn, makes prototypes of the others, and keeps the
median distance of the frames that were left out. A further place of the same kind is beyond the
largest of n such medians in one of n + 1 cases, whatever their distribution; so that is the unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.routing import RouterRow

_LEAST = 1e-6  # of a unit: frames of one scene may be all alike

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Familiar:
    """What packs have seen.

    Attributes:
        rows: One a pack, each with the distances of its places.
    """

    rows: tuple[RouterRow, ...]

    @staticmethod
    def of(rows: Iterable[RouterRow]) -> Familiar | None:
        """Return what can be told of packs; None where one of them does not know its places."""
        known = tuple(rows)
        return Familiar(known) if known and all(r.left_out is not None for r in known) else None

    @property
    def places(self) -> list[int]:
        """How many places each pack left out in turn."""
        return [len(row.left_out) for row in self.rows if row.left_out is not None]

    def distances(self, base: Array) -> Array:
        """Return `(B,)` float32, >= 0: 1 is as far as the farthest place that was left out.

        Of several packs the one that an image is nearest to counts.

        Args:
            base: `(B, E)` float32 of the untouched encoder, unit norm.
        """
        units = [_unit(row) for row in self.rows]
        apart = [np.maximum(1 - row.likeness(base), 0) for row in self.rows]
        return np.asarray((np.stack(apart) / np.array(units)[:, None]).min(axis=0), np.float32)


def _unit(row: RouterRow) -> float:
    return _LEAST if row.left_out is None else max(float(row.left_out.max()), _LEAST)
