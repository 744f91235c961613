"""Where the threshold of a taught class lies, and what that stands on.

A score is log p / (1 - p) of the class before c is added. c is chosen so that p = 0.5 falls where
the threshold is to be; it is then always 0.5, and what stands above it is likelier than all other
classes together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.pack import Thresholds
from edgeclip.contract.plurals import counted
from edgeclip.teaching.column import Direction, Predictor, Seen
from edgeclip.thresholds import thresholds_at

Doubles = NDArray[np.float64]

FALSE_ALARMS = 0.05
"""Share of the frames without the class that may lie above the threshold, at the most."""
BETWEEN, BETWEEN_ONE = 0.45, 0.2
"""How far the threshold lies from there towards the images of the class, each judged by the others;
one image alone is judged by itself, which flatters it."""
ALONE, ALONE_ONE = 0.75, 0.5
"""Where no frame without the class is known: the same from even odds, which mean little there."""
ON = 0.5


@dataclass(frozen=True)
class Placed:
    """A column with its threshold.

    Attributes:
        direction: The column without c.
        shift: c.
        thresholds: Of the class.
        left_out: How many images are recognised where the others alone taught; None for one image.
        basis: What the threshold stands on, in a few words.
        notes: What must be said.
    """

    direction: Direction
    shift: float
    thresholds: Thresholds
    left_out: int | None
    basis: str
    notes: tuple[str, ...] = ()


def place(predictor: Predictor, taught: Seen, others: Seen, carried: Seen) -> Placed:
    """Return the column that images give, with its threshold.

    Args:
        predictor: Of the column.
        taught: Images that show the class, one or more.
        others: Frames without it that were given; maybe none.
        carried: Frames without it that the pack carries; maybe none.
    """
    direction = predictor(taught)
    left_out = _left_out(predictor, taught)
    unlike = np.concatenate([s.highest(direction.scores(s)) for s in (others, carried)])
    if left_out is None:
        like = taught.highest(direction.scores(taught))
        level = _level(like, unlike, between=BETWEEN_ONE, alone=ALONE_ONE)
    else:
        level = _level(left_out, unlike, between=BETWEEN, alone=ALONE)
    above = int((unlike >= level).sum())
    said = (
        f"{above} of the {len(unlike)} frames without it are taken for it, and would be false"
        " alarms: look at what they show, or teach it from more images"
    )
    notes = [said] if above > FALSE_ALARMS * len(unlike) else []
    return Placed(
        direction=direction,
        shift=-level,
        thresholds=thresholds_at(ON),
        left_out=None if left_out is None else int((left_out >= level).sum()),
        basis=_basis(len(taught.images), len(others.images), len(carried.images)),
        notes=tuple(notes),
    )


def _left_out(predictor: Predictor, taught: Seen) -> Doubles | None:
    """Return `(n,)` the score of each image where the others alone taught; None for one image."""
    images = taught.images
    if len(images) < 2:
        return None
    found = []
    for image in images:
        own = taught.only([image])
        rest = predictor(taught.only([other for other in images if other != image]))
        found.append(float(rest.scores(own).max()))
    return np.asarray(found)


def _level(like: Doubles, unlike: Doubles, *, between: float, alone: float) -> float:
    """Return the score of the threshold."""
    middle = float(like.mean())
    if not len(unlike):
        return middle - (1 - alone) * abs(middle)
    floor = float(np.quantile(unlike, 1 - FALSE_ALARMS))
    return floor + between * max(middle - floor, 0.0)


def _basis(images: int, others: int, carried: int) -> str:
    parts = [f"{counted(others, 'frame')} without it"] if others else []
    parts += [f"{counted(carried, 'frame')} that the pack carries"] if carried else []
    parts += [f"{images} left out in turn"] if images > 1 else []
    return " and ".join(parts) if others or carried else "its own images alone"
