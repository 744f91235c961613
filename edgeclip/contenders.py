"""What is compared in a report: one model's probabilities on given images, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_MOST_ROUNDING = 1e-3  # of a row's sum: float32 over a few hundred classes stays far below


@dataclass(frozen=True)
class Contender:
    """One model on the test images of a comparison.

    All contenders of one comparison have the same images in the same order, and the same classes.

    Attributes:
        name: As tables show it, e.g. `linear probe`.
        probabilities: `(n, C)` float32 in [0, 1], rows sum to 1; calibrated on validation.
        thresholds: By target, in [0, 1]: from here on it counts as seen; chosen on validation.
        trainable_params: Numbers that training changed; 0 for zero-shot.
        steps: Optimiser steps; 0 where there are none.
        seconds: Wall-clock time of training, features included; nan where nobody measured it.
        note: What a reader of the figures must know, or empty.
        peak_memory_mb: The most that the process held meanwhile, encoder and images included; nan
            where nobody measured it.
        uncalibrated: `(n, C)` like `probabilities`, at temperature 1; None where it is not known.
    """

    name: str
    probabilities: NDArray[np.float32]
    thresholds: Mapping[str, float]
    trainable_params: int
    steps: int
    seconds: float
    note: str = ""
    peak_memory_mb: float = float("nan")
    uncalibrated: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _check(self.name, "probabilities", self.probabilities)
        if self.uncalibrated is not None:
            _check(self.name, "uncalibrated", self.uncalibrated)
            if self.uncalibrated.shape != self.probabilities.shape:
                raise ValueError(
                    f"{self.name}: uncalibrated is {self.uncalibrated.shape}, probabilities are"
                    f" {self.probabilities.shape}"
                )
        if wrong := [name for name, on in self.thresholds.items() if not 0 <= on <= 1]:
            raise ValueError(f"{self.name}: the threshold of {wrong[0]} is not in 0..1")

    def among(self, rows: Sequence[int]) -> Contender:
        """Return the contender on some of the images, in the order of `rows`."""
        index = np.asarray(rows, np.int64)
        before = None if self.uncalibrated is None else self.uncalibrated[index]
        return replace(self, probabilities=self.probabilities[index], uncalibrated=before)


def _check(name: str, what: str, rows: NDArray[np.float32]) -> None:
    if rows.ndim != 2:
        raise ValueError(f"{name}: {what} is {rows.shape}, expected (images, classes)")
    in_range = np.isfinite(rows).all() and bool(((rows >= 0) & (rows <= 1 + 1e-6)).all())
    if not in_range or not np.allclose(rows.sum(axis=1), 1, atol=_MOST_ROUNDING):
        raise ValueError(f"{name}: {what} must be in 0..1 with rows that sum to 1")
