"""From a mask of changed pixels to blobs: their size, their boxes, and where to look."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import Box

_MOST_BOXES = 4  # a detection carries no more
_OPENING = np.ones((3, 3), np.uint8)
_REACH = np.ones((15, 15), np.uint8)  # parts of an animal nearer than 7 of 320 px belong together


@dataclass(frozen=True)
class Blobs:
    """What moved in a frame.

    Attributes:
        blob_pct: The largest connected change, % of the frame.
        boxes: Of the largest blobs, the largest first.
        crop: Around the largest group of blobs; None where there is none.
    """

    blob_pct: float
    boxes: tuple[Box, ...]
    crop: Box | None


NOTHING = Blobs(0.0, (), None)


def without_specks(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a mask after an opening by 3 x 3: what is thinner than 3 px is gone."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _OPENING), np.uint8)


def find_blobs(opened: NDArray[np.uint8], min_blob_pct: float) -> Blobs:
    """Return the connected changes of at least `min_blob_pct`.

    Args:
        opened: `(H, W)` uint8, 255 where something changed, without specks.
        min_blob_pct: % of the frame.
    """
    if not cv2.countNonZero(opened):
        return NOTHING
    _, _, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    found = sorted(stats[1:], key=lambda row: -int(row[cv2.CC_STAT_AREA]))  # row 0 is the rest
    smallest_px = min_blob_pct / 100 * opened.size
    large = [row for row in found if row[cv2.CC_STAT_AREA] >= smallest_px]
    return Blobs(
        blob_pct=100 * float(found[0][cv2.CC_STAT_AREA]) / opened.size,
        boxes=tuple(_box(row, opened.shape) for row in large[:_MOST_BOXES]),
        crop=_largest_group(opened) if large else None,
    )


def _largest_group(opened: NDArray[np.uint8]) -> Box:
    """Return the box of the changed pixels of the group that has most of them."""
    _, labels = cv2.connectedComponents(cv2.dilate(opened, _REACH), connectivity=8)
    labels = np.where(opened > 0, labels, 0)
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    rows = np.flatnonzero((labels == largest).any(axis=1))
    columns = np.flatnonzero((labels == largest).any(axis=0))
    height, width = opened.shape
    return (
        float(columns[0]) / width,
        float(rows[0]) / height,
        float(columns[-1] - columns[0] + 1) / width,
        float(rows[-1] - rows[0] + 1) / height,
    )


def _box(row: NDArray[np.int32], shape: tuple[int, ...]) -> Box:
    height, width = shape[:2]
    return (
        float(row[cv2.CC_STAT_LEFT]) / width,
        float(row[cv2.CC_STAT_TOP]) / height,
        float(row[cv2.CC_STAT_WIDTH]) / width,
        float(row[cv2.CC_STAT_HEIGHT]) / height,
    )
