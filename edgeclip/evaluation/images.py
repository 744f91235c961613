"""The images that a model is judged on, with all that figures are grouped by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeclip.labels.classes import BLANK
from edgeclip.labels.dataset import LabelledImage

UNKNOWN_PLACE = "unknown place"


@dataclass(frozen=True)
class JudgedImages:
    """Some labelled images in a fixed order.

    Attributes:
        images: n images, each of one of the classes.
        class_names: C names.
        by_sequence: Whether intervals are taken over sequences: at known places a further place is
            not what a reader wants to know about.
    """

    images: Sequence[LabelledImage]
    class_names: Sequence[str]
    by_sequence: bool = False

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The true class of each image, `(n,)` int64."""
        numbers = {name: number for number, name in enumerate(self.class_names)}
        return np.asarray([numbers[image.class_name] for image in self.images], np.int64)

    @cached_property
    def locations(self) -> list[str]:
        """The location of each image; all without one share a name."""
        return [image.location or UNKNOWN_PLACE for image in self.images]

    @cached_property
    def groups(self) -> list[str]:
        """What a bootstrap draws: the location, or the sequence where no place is known."""
        if self.by_sequence:
            return list(self.sequences)
        return [image.location or image.sequence for image in self.images]

    @property
    def sequences(self) -> list[str]:
        """The sequence of each image."""
        return [image.sequence for image in self.images]

    @property
    def blank(self) -> int | None:
        """The number of the class `blank`, or None where there is none."""
        return list(self.class_names).index(BLANK) if BLANK in self.class_names else None

    @property
    def frame_rows(self) -> list[int]:
        """Positions of the images with a label of their own; of all where none has one.

        A label of a whole sequence may be wrong for a single frame of it.
        """
        own = [row for row, image in enumerate(self.images) if not image.sequence_level]
        return own or list(range(len(self.images)))

    def is_target(self, target: str) -> NDArray[np.bool_]:
        """Return which images show the target, `(n,)`."""
        return np.asarray(self.classes == list(self.class_names).index(target), np.bool_)

    def among(self, rows: Sequence[int], *, by_sequence: bool = False) -> JudgedImages:
        """Return some of the images, in the order of `rows`."""
        return JudgedImages([self.images[row] for row in rows], self.class_names, by_sequence)

    def box_areas(self) -> NDArray[np.float64]:
        """Return the share of the frame that each box covers, `(n,)`; nan where there is none."""
        return np.asarray(
            [image.box[2] * image.box[3] if image.box else np.nan for image in self.images]
        )


def known_places(images: Sequence[LabelledImage], taught: Collection[str]) -> list[bool] | None:
    """Return whether the place of each image also trained; None where that cannot be told.

    An image without a place counts as of a known one: it is no proof for new places.

    Args:
        images: n images.
        taught: The locations of training and validation.
    """
    if not taught or not any(image.location for image in images):
        return None
    return [image.location is None or image.location in taught for image in images]


@dataclass(frozen=True)
class SequenceRows:
    """Which images belong to one sequence, and what the sequence shows.

    Attributes:
        names: s names, in order of first appearance.
        index: `(n,)` int64: the sequence of each image.
        classes: `(s,)` int64: the commonest class that is not blank; blank where all are.
        locations: s names; the first image's.
        groups: s names, what a bootstrap draws.
    """

    names: list[str]
    index: NDArray[np.int64]
    classes: NDArray[np.int64]
    locations: list[str]
    groups: list[str]


def sequence_rows(judged: JudgedImages) -> SequenceRows:
    """Return the sequences of some images."""
    first: dict[str, int] = {}
    for row, name in enumerate(judged.sequences):
        first.setdefault(name, row)
    numbers = {name: number for number, name in enumerate(first)}
    index = np.asarray([numbers[name] for name in judged.sequences], np.int64)
    return SequenceRows(
        names=list(first),
        index=index,
        classes=_classes(judged, index, len(first)),
        locations=[judged.locations[row] for row in first.values()],
        groups=[judged.groups[row] for row in first.values()],
    )


def mean_over_sequences(
    probabilities: NDArray[np.float32], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return softmax of the mean frame logits of each sequence, `(s, C)` float32.

    A class's logit is the logarithm of its calibrated probability, so that this is the normalised
    geometric mean; Dussert et al. ("Being confident in confidence scores") found it the best
    calibrated of several ways.

    Args:
        probabilities: `(n, C)` float32 of the frames.
        index: `(n,)` int64 in 0..s-1, every number occurs.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    total = np.zeros((int(index.max()) + 1, logits.shape[1]))
    np.add.at(total, index, logits)
    mean = total / np.bincount(index)[:, None]
    powers = np.exp(mean - mean.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def highest_of_sequences(
    probabilities: NDArray[np.float32], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the highest probability of each sequence, `(s,)`: when an alert can first be given.

    Args:
        probabilities: `(n,)` float32 of one class.
        index: `(n,)` int64, as above.
    """
    highest = np.zeros(int(index.max()) + 1, np.float32)
    np.maximum.at(highest, index, probabilities)
    return highest


def _classes(judged: JudgedImages, index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    shown: list[Counter[int]] = [Counter() for _ in range(count)]
    for sequence, class_ in zip(index.tolist(), judged.classes.tolist(), strict=True):
        if class_ != judged.blank:
            shown[sequence][class_] += 1
    blank = judged.blank if judged.blank is not None else -1
    return np.asarray([c.most_common(1)[0][0] if c else blank for c in shown], np.int64)
