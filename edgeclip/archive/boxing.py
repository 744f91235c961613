"""The box of what is decided on a whole frame, by how much its cells are like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeclip.archive.answering import Answer
from edgeclip.archive.deciding import Deciders
from edgeclip.contract.heat_box import heat_box
from edgeclip.contract.likeness import likeness_map
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.preprocess_spec import Box


def box_of(
    answer: Answer,
    probabilities: Sequence[float],
    manifest: PackManifest,
    deciders: Deciders,
    view: Box,
) -> Box | None:
    """Return the box around what an answer decides, as the device boxes a detection.

    Args:
        answer: Of a whole frame.
        probabilities: Its own, as the record has them: the results decide by these.
        manifest: Classes and columns.
        deciders: Whose thresholds decide.
        view: Where the cells lie on the frame.

    Returns:
        x, y, width, height relative to the frame; None where nothing is decided, where it or what
        is likeliest is a person, and where the runtime does not tell of cells.
    """
    target, cells = deciders.decided(probabilities, answer.pack), answer.cells
    if target is None or cells is None or not np.isfinite(cells).all():
        return None
    names, classes = manifest.class_names, manifest.classes
    shown = classes[names.index(target)], classes[int(np.argmax(probabilities))]
    if any(item.observation_type == "human" for item in shown):
        return None
    likeness = likeness_map(cells, target, manifest)
    return None if likeness is None else heat_box(likeness, view)
