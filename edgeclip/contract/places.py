"""Coordinates onto a grid: what may be told of where a sensitive species was.

A grid, never noise: a cell tells the same however often it is asked, while an average over noise
finds the place. Cells are those of Chapman 2020, Current Best Practices for Generalizing Sensitive
Species Occurrence Data, table 7: category 1 withheld or 1 degree, 2 0.1, 3 0.01, 4 0.001.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from edgeclip.contract.detection import Place

PlaceMode = Literal["exact", "generalised", "withheld"]
GRIDS_DEG: Final = (1.0, 0.1, 0.01, 0.001)

_M_PER_DEG = 111_320.0  # of latitude; of longitude at the equator


def told_place(
    position: tuple[float, float], mode: PlaceMode, precision_deg: float | None, held_m: float
) -> Place:
    """Return what may be told of a place.

    Args:
        position: Latitude and longitude, degrees, WGS 84.
        mode: How much.
        precision_deg: Side of the grid's cells where it is generalised.
        held_m: How far off the position itself may be, m.

    Raises:
        ValueError: It is to be generalised, but without a grid.
    """
    latitude, longitude = position
    if mode == "withheld":
        return Place()
    if mode == "exact":
        return Place(
            mode="exact", latitude=latitude, longitude=longitude, uncertainty_m=round(held_m, 1)
        )
    if precision_deg is None:
        raise ValueError("a generalised place needs the side of its cells")
    middle = _middle(latitude, precision_deg, 90.0), _middle(longitude, precision_deg, 180.0)
    return Place(
        mode="generalised",
        latitude=middle[0],
        longitude=middle[1],
        precision_deg=precision_deg,
        uncertainty_m=round(_half_diagonal_m(middle[0], precision_deg) + held_m, 1),
    )


def _middle(degrees: float, side: float, limit: float) -> float:
    """Return the middle of the cell that an angle lies in; the limit lies in the last cell."""
    cells = round(2 * limit / side)
    index = min(math.floor((degrees + limit) / side + 1e-9), cells - 1)
    return round((index + 0.5) * side - limit, 6)


def _half_diagonal_m(latitude: float, side: float) -> float:
    """Return how far a corner of a cell lies from its middle; at its end nearer to the equator."""
    nearest = max(0.0, abs(latitude) - side / 2)
    width_m = side * _M_PER_DEG * math.cos(math.radians(nearest))
    return math.hypot(width_m, side * _M_PER_DEG) / 2
