"""A head on some images as a contender: calibrated, and as it was before its temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contenders import Contender
from edgeclip.contract.pack import Thresholds
from edgeclip.evaluation.images import JudgedImages
from edgeclip.parts import PartData

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Head:
    """What is needed of a pack to judge it.

    Attributes:
        name: As tables show it.
        tensors: By slot, temperature included.
        thresholds: By target.
        column_class: The class of each column.
        trainable_params: Numbers that training changed.
        steps: Of the optimiser.
        seconds: Of training; nan where nobody measured it.
        note: For a reader, or empty.
        peak_memory_mb: Of training; nan where nobody measured it.
    """

    name: str
    tensors: Tensors
    thresholds: Mapping[str, Thresholds]
    column_class: Sequence[int]
    trainable_params: int
    steps: int
    seconds: float = float("nan")
    note: str = ""
    peak_memory_mb: float = float("nan")


def head_contender(head: Head, part: PartData) -> Contender:
    """Return the head on the images of a part, in the order of `judged_images`."""
    targets = [list(part.class_names).index(name) for name in head.thresholds]
    uncalibrated = {**head.tensors, "temperature": np.ones(1, np.float32)}
    return Contender(
        name=head.name,
        probabilities=part.score(head.tensors, head.column_class, targets)[1],
        thresholds={name: item.on for name, item in head.thresholds.items()},
        trainable_params=head.trainable_params,
        steps=head.steps,
        seconds=head.seconds,
        note=head.note,
        peak_memory_mb=head.peak_memory_mb,
        uncalibrated=part.score(uncalibrated, head.column_class, targets)[1],
    )


def judged_images(part: PartData) -> JudgedImages:
    """Return the images of a part once each, in the order in which they are scored."""
    indices = dict.fromkeys(region.image for region in part.regions)
    return JudgedImages([part.images[index] for index in indices], part.class_names)
