"""Parts of a data set whose features are given, not computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeclip.features import Features
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.parts import PartData
from edgeclip.regions import Region


class Seen(NamedTuple):
    """One image: its class, where it was taken, and the direction of its features."""

    class_name: str
    place: str | None
    direction: Sequence[float]
    sequence: str = ""


def part_of(seen: Sequence[Seen], names: Sequence[str], *, views: int = 1) -> PartData:
    """Return a part with the whole frame of each image; every view has the same features.

    Args:
        seen: The images.
        names: Of the classes.
        views: Of each image.
    """
    facts = ImageFacts("a" * 64, 8, 8, 0.0, None)
    images = [
        LabelledImage(
            Path("x.jpg"), one.class_name, one.place, None, one.sequence or f"s{number}", None,
            None, facts,
        )
        for number, one in enumerate(seen)
    ]  # fmt: skip
    f = np.asarray([one.direction for one in seen for _ in range(views)], np.float32)
    regions = [Region(index, None, view) for index in range(len(images)) for view in range(views)]
    return PartData(images, regions, Features(np.zeros_like(f), f), names)
