"""Where plants move: cells of the frame, taught by frames that the classifier called blank.

    allowance of a cell = min(mean + 3 deviations of the changed share, 4 x base)

of the cell itself or of one beside it, whichever moves most: a branch swings across the border. A
cell that changes no more than its allowance has not changed. Nothing is allowed before it was
taught, and never more than 4 times the base, so that no cell goes blind; what is allowed decays
when less moves, and does not hold for some time after a change of light.
"""

from __future__ import annotations

import random

import cv2
import numpy as np
from numpy.typing import NDArray

CELLS = (9, 16)  # rows and columns of the frame
BASE = 0.10  # share of a cell that one moving branch changes; a judgement
CAP = 4.0
_DEVIATIONS = 3.0
_TEACH_RATE = 0.1  # per frame that was called blank
_DECAY_RATE = 1 / 300  # per frame in which less moves: a minute at 5 frames a second
_SUSPENDED_S = 30.0
_AUDITED_SHARE = 0.01
_BESIDE = np.ones((3, 3), np.uint8)

Mask = NDArray[np.uint8]
Shares = NDArray[np.float64]


class NoiseMap:
    """What each cell of one camera's frame changes when nothing is there."""

    def __init__(self) -> None:
        self._mean = np.zeros(CELLS)
        self._variance = np.zeros(CELLS)
        self._newest = np.zeros(CELLS)
        self._suspended_until_s = -np.inf

    @property
    def allowance(self) -> Shares:
        """`(9, 16)` share of each cell that may change, in [0, 4 x base]."""
        usual = self._mean + _DEVIATIONS * np.sqrt(self._variance)
        return np.minimum(cv2.dilate(usual, _BESIDE), CAP * BASE)

    def without_noise(self, mask: Mask, at_s: float) -> Mask:
        """Return a mask without the cells that change no more than they may.

        Args:
            mask: `(H, W)` uint8, 255 where something changed; H and W are multiples of the cells.
            at_s: The frame's time.
        """
        self._newest = _shares(mask)
        quiet = self._newest <= self.allowance
        self._decay()
        if at_s < self._suspended_until_s:
            return mask
        height, width = mask.shape
        keep = np.where(quiet, 0, 255).astype(np.uint8)
        return mask & np.asarray(
            cv2.resize(keep, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
        )

    def teach(self) -> None:
        """Learn from the newest frame, which was called blank, where more moved than before."""
        more = self._newest > self._mean
        apart = (self._newest - self._mean)[more]
        self._mean[more] += _TEACH_RATE * apart
        spread = self._variance[more] + _TEACH_RATE * apart**2
        self._variance[more] = (1 - _TEACH_RATE) * spread

    def forget_newest(self) -> None:
        """Allow nothing any more where the newest frame changed: something was hidden there."""
        changed = self._newest > 0
        self._mean[changed] = 0.0
        self._variance[changed] = 0.0

    def suspend(self, at_s: float) -> None:
        """Allow nothing for some time: the light has changed, and the background with it."""
        self._suspended_until_s = at_s + _SUSPENDED_S

    def _decay(self) -> None:
        less = self._newest < self._mean
        self._mean[less] += _DECAY_RATE * (self._newest - self._mean)[less]
        self._variance[less] *= 1 - _DECAY_RATE


class Audit:
    """Picks frames that were held back and are classified all the same, so that errors show.

    Args:
        every_s: At least one in so long, where there are any.
        seed: Of the choice.
    """

    def __init__(self, every_s: float, seed: int = 0) -> None:
        self._every_s = every_s
        self._draw = random.Random(seed)
        self._last_at_s = -float("inf")

    def picks(self, at_s: float) -> bool:
        """Say whether a frame that is to be held back is looked at.

        Args:
            at_s: The frame's time.
        """
        picked = at_s - self._last_at_s >= self._every_s or self._draw.random() < _AUDITED_SHARE
        if picked:
            self._last_at_s = at_s
        return picked


def _shares(mask: Mask) -> Shares:
    """Return which share of each cell changed."""
    rows, columns = CELLS
    height, width = mask.shape
    cells = (mask > 0).reshape(rows, height // rows, columns, width // columns)
    return np.asarray(cells.mean(axis=(1, 3)), np.float64)
