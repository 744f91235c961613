"""Labels of whole bursts: a single frame may lack the animal, so nothing is learned from them."""

from __future__ import annotations

from dataclasses import replace

from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset


def for_learning(dataset: Dataset) -> Dataset:
    """Return a data set without images whose label is of their whole burst; says how many.

    A frame before the animal came, or after it left, would teach its background. Sequences,
    visits and alarms are judged by such labels all the same, by `edgeclip evaluate`.

    Raises:
        DataError: There are no others.
    """
    own = tuple(image for image in dataset.images if not image.sequence_level)
    left_out = len(dataset.images) - len(own)
    if not left_out:
        return dataset
    if not own:
        raise DataError(
            f"{dataset.source}: all {left_out} labels are of whole sequences, so that a frame may"
            " lack the animal: add --sequence-labels to take them as those of each frame"
        )
    found = {image.class_name for image in own}
    note = (
        f"{left_out} images are not learned from: their label is of the whole sequence, and the"
        " frame may lack the animal; --sequence-labels takes them"
    )
    return replace(
        dataset,
        images=own,
        class_names=tuple(name for name in dataset.class_names if name in found),
        notes=(*dataset.notes, note),
    )
