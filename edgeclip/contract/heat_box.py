"""From how much each cell of a view is like a class to the box around where it is most like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import Box

LEVEL = 0.5
"""Of the way from the median cell to the hottest: what is above is the class, see docs/where.md."""

_LEAST_SIDE = 2  # a single row of cells shows nobody where to look
_ABOUT_FINE = 64  # points a side; the box's edges lie between cells as the heat does
_DIGITS = 4


def heat_box(likeness: NDArray[np.float32], view: Box = (0.0, 0.0, 1.0, 1.0)) -> Box | None:
    """Return the box around the hottest spot; None where no cell is hotter than another.

    The cells are interpolated; what exceeds `LEVEL` and hangs together with the hottest point is
    boxed, as in class activation maps (Zhou et al., CVPR 2016, arXiv 1512.04150). The level counts
    from the median cell, so that a few very cold ones do not move it.

    Args:
        likeness: `(rows, cols)`, each at least 2; any scale and offset give the same box.
        view: Where the cells lie on the whole frame, relative to it.

    Returns:
        x, y, width, height relative to the whole frame, inside `view`; no decision depends on it.
    """
    if min(likeness.shape) < _LEAST_SIDE or not np.isfinite(likeness).all():
        return None
    fine = _finer(_finer(likeness.astype(np.float64)).T).T
    low, high = float(np.median(fine)), float(fine.max())
    if not high > low:
        return None
    spot = _connected(fine >= low + LEVEL * (high - low), int(fine.argmax()))
    rows, cols = np.flatnonzero(spot.any(axis=1)), np.flatnonzero(spot.any(axis=0))
    height, width = (int(side) for side in spot.shape)
    x, y, wide, tall = view
    left, right = x + wide * cols[0] / width, x + wide * (cols[-1] + 1) / width
    top, bottom = y + tall * rows[0] / height, y + tall * (rows[-1] + 1) / height
    return _rounded(float(left), float(top), float(right), float(bottom))


def _finer(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return about 64 rows, linear between the middles of those given."""
    count = len(rows)
    times = max(1, _ABOUT_FINE // count)
    at = np.clip((np.arange(count * times) + 0.5) / times - 0.5, 0, count - 1)
    first = np.minimum(at.astype(np.int64), count - 2)
    share = (at - first)[:, None]
    return np.asarray(rows[first] * (1 - share) + rows[first + 1] * share)


def _connected(hot: NDArray[np.bool_], start: int) -> NDArray[np.bool_]:
    """Return the points that hang together with one of them, side by side."""
    spot = np.zeros_like(hot)
    spot.flat[start] = True
    size = 0
    while size != (size := int(np.count_nonzero(spot))):
        wider = spot.copy()
        wider[1:] |= spot[:-1]
        wider[:-1] |= spot[1:]
        wider[:, 1:] |= spot[:, :-1]
        wider[:, :-1] |= spot[:, 1:]
        spot = wider & hot
    return spot


def _rounded(left: float, top: float, right: float, bottom: float) -> Box:
    x, y = round(left, _DIGITS), round(top, _DIGITS)
    return x, y, round(min(right, 1.0) - x, _DIGITS), round(min(bottom, 1.0) - y, _DIGITS)
