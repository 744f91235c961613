"""Labels that a model contradicts with confidence: to be looked at first.

Confident learning (Northcutt et al., arXiv 1911.00068): an image labelled i counts as a likely j
where p(j) reaches the mean p(j) of the images that are labelled j, and j is the likeliest such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelDoubt:
    """One image whose label and model disagree.

    Attributes:
        row: Of the image.
        label: Class number as labelled.
        said: Class number that the model is sure of.
        probability: Of `said`.
    """

    row: int
    label: int
    said: int
    probability: float


def label_doubts(
    probabilities: NDArray[np.float32], classes: NDArray[np.int64]
) -> Sequence[LabelDoubt]:
    """Return the doubtful labels, the model's surest contradiction first.

    Either the label is wrong or the model is: their share bounds the label noise from above as
    far as the model sees it.

    Args:
        probabilities: `(n, C)` float32, calibrated; of images that the model was not fitted to.
        classes: `(n,)` int64, as labelled.
    """
    sure = np.full(probabilities.shape[1], np.inf)
    for index in np.unique(classes):
        sure[index] = probabilities[classes == index, index].mean(dtype=np.float64)
    confident = np.where(probabilities >= sure, probabilities, -1)
    said = confident.argmax(axis=1)
    rows = np.flatnonzero((said != classes) & (confident.max(axis=1) > 0))
    margin = probabilities[rows, said[rows]] - probabilities[rows, classes[rows]]
    rows = rows[np.argsort(-margin, kind="stable")]
    return [
        LabelDoubt(int(r), int(classes[r]), int(said[r]), float(probabilities[r, said[r]]))
        for r in rows
    ]
