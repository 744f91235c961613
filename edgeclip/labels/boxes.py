"""Boxes as sources write them -> relative to the frame, cut to it, or refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeclip.contract.preprocess_spec import Box

_SLACK = 0.01  # detectors round, so that x + width may be 1.0004


def numbers_of(values: object) -> Box | None:
    """Return four finite numbers, of texts or numbers, or None."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        return None
    try:
        found = [float(value) for value in values if not isinstance(value, bool)]
    except (TypeError, ValueError, OverflowError):
        return None
    if len(found) != 4 or not all(map(math.isfinite, found)):
        return None
    return found[0], found[1], found[2], found[3]


def relative_box(values: Box) -> Box | None:
    """Return x, y, width, height cut to the frame, or None if they are no box relative to it.

    Args:
        values: x, y of the top left corner, width, height, in parts of the frame.
    """
    x, y, width, height = values
    inside = all(-_SLACK <= v <= 1 + _SLACK for v in (*values, x + width, y + height))
    if not inside or width <= 0 or height <= 0:
        return None
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    box = left, top, min(width, 1 - left), min(height, 1 - top)
    return box if box[2] > 0 and box[3] > 0 else None


def from_pixels(values: Box, size: tuple[int, int]) -> Box | None:
    """Return a box in pixels relative to its frame, or None if it does not lie in it.

    Args:
        values: x, y, width, height, px.
        size: Width and height of the frame that they count in, px.
    """
    width, height = size
    if width < 1 or height < 1:
        return None
    x, y, box_width, box_height = values
    return relative_box((x / width, y / height, box_width / width, box_height / height))


def from_corners(values: Box) -> Box:
    """Return x, y, width, height of x_min, y_min, x_max, y_max."""
    left, top, right, bottom = values
    return left, top, right - left, bottom - top


def area(box: Box | None) -> float:
    """Return a box's part of its unit's square, 0 for none."""
    return box[2] * box[3] if box else 0.0
