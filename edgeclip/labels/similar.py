"""Files of one shot, re-encoded or resized, and bursts without a time: found by their pixels.

Difference hash (N. Krawetz, "Kind of Like That", 2013): the frame is shrunk to grey cells, and
each bit says whether a cell is brighter than its left neighbour,

    b[y, x] = g[y, x + 1] > g[y, x],    distance(a, b) = number of differing bits.

One camera's frames of an empty scene hash alike day after day, so that a hash alone would call
them one shot. Two files count as one only if, in addition, no cell differs by more than
re-encoding does; more is allowed where neither time nor sequence tells bursts apart.
`benchmarks/near_duplicates.py` measures both limits on real images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 16  # a side; 240 bits
MOST_BITS = 40  # between files that may be one shot
MOST_CHANGE = 9.0  # grey levels of 255, in the worst cell
MOST_CHANGE_UNDATED = 25.0  # the same, where a burst can be known by its pixels alone
_BLOCK = 1024  # rows compared at once: 1024 x n float32
_PAIRS_AT_ONCE = 65_536

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Thumbnail:
    """A frame as 16 x 16 grey cells.

    Attributes:
        cells: 256 bytes, rows from the top, 0..255.
    """

    cells: bytes

    @classmethod
    def of(cls, grey: NDArray[np.uint8]) -> Thumbnail | None:
        """Return a frame's thumbnail, or None where a flat frame could be any other.

        Args:
            grey: `(16, 16)` uint8, cell means.
        """
        contrast = int(grey.max()) - int(grey.min())
        if contrast < 2 * MOST_CHANGE:
            return None
        return cls(np.ascontiguousarray(grey, np.uint8).tobytes())


def same_shots(thumbnails: Sequence[Thumbnail | None], undated: Sequence[bool]) -> list[int | None]:
    """Return, for each, the index of the first that shows the same shot, or None if alone.

    Args:
        thumbnails: One a distinct file; None is never the same as another.
        undated: Whether neither a time nor the source's sequence is known of the file.
    """
    known = [index for index, thumbnail in enumerate(thumbnails) if thumbnail is not None]
    groups: list[int | None] = [None] * len(thumbnails)
    if len(known) < 2:
        return groups
    cells = [np.frombuffer(t.cells, np.uint8) for t in thumbnails if t is not None]
    grey = np.stack(cells).astype(np.float32)
    loose = np.asarray([undated[index] for index in known])
    heads = _grouped(grey, loose)
    sizes = np.bincount(heads, minlength=len(known))
    for row, head in enumerate(heads):
        if sizes[head] > 1:
            groups[known[row]] = known[int(head)]
    return groups


def _grouped(grey: Grey, loose: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first row of each row's group."""
    leader = np.arange(len(grey))
    for rows, columns in _close_pairs(_signs(grey)):
        apart = leader[rows] != leader[columns]  # a still camera's frames soon are one group
        ones, others = rows[apart], columns[apart]
        change = np.abs(grey[ones] - grey[others]).max(axis=1, initial=0)
        most = np.where(loose[ones] | loose[others], MOST_CHANGE_UNDATED, MOST_CHANGE)
        for one, other in zip(ones[change <= most], others[change <= most], strict=True):
            first, second = sorted((_find(leader, int(one)), _find(leader, int(other))))
            leader[second] = first
        while (leader != leader[leader]).any():
            leader = leader[leader]
    return leader


def _signs(grey: Grey) -> Grey:
    """Return the hash bits of n thumbnails as -1 and 1: `(n, 240)` float32."""
    cells = grey.reshape(-1, CELLS, CELLS)
    bits = cells[:, :, 1:] > cells[:, :, :-1]
    return np.where(bits, 1.0, -1.0).reshape(len(grey), -1).astype(np.float32)


def _close_pairs(signs: Grey) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of rows within MOST_BITS: of n signs, a . b = n - 2 * distance."""
    least = signs.shape[1] - 2 * MOST_BITS
    for start in range(0, len(signs), _BLOCK):
        close = signs[start : start + _BLOCK] @ signs[start:].T >= least
        ones, others = np.nonzero(np.triu(close, 1))
        for part in range(0, len(ones), _PAIRS_AT_ONCE):
            chosen = slice(part, part + _PAIRS_AT_ONCE)
            yield start + ones[chosen], start + others[chosen]


def _find(leader: NDArray[np.int64], row: int) -> int:
    while leader[row] != row:
        row = int(leader[row])
    return row
