"""The labelled images of an evaluation: read as a training's are, those of the pack's classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.reading import ReadingOptions
from edgeclip.opening import open_dataset
from edgeclip.progress import Bars
from edgeclip.summary import DataSummary, summary_of


@dataclass(frozen=True)
class EvaluationImages:
    """What was read, and what of it a pack can be judged on.

    Attributes:
        images: Of the pack's classes.
        other_classes: Images of classes that the pack does not know, by class.
        summary: Of everything that was read, with what could not be used.
    """

    images: Sequence[LabelledImage]
    other_classes: Mapping[str, int]
    summary: DataSummary


def read_evaluation_images(
    options: ReadingOptions, class_names: Sequence[str], bars: Bars
) -> EvaluationImages:
    """Return the images of some classes, and an account of all that was read.

    Args:
        options: What is read, and how.
        class_names: Of the pack.
        bars: Progress.

    Raises:
        ConfigError: A label that was asked for does not occur.
        DataError: There are no labels, no image can be used, or none is of these classes.
    """
    dataset = open_dataset(options, bars)
    images = [image for image in dataset.images if image.class_name in class_names]
    if not images:
        found = ", ".join(dataset.class_names)
        raise DataError(
            f"{options.data}: no image of {', '.join(class_names)}; found {found}:"
            " map them by --class"
        )
    every = (image.class_name for image in dataset.images)
    others = Counter(name for name in every if name not in class_names)
    return EvaluationImages(images, others, summary_of(dataset, (), None))
