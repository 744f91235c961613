"""Where there is no pack: the classes that a species is told from, of words alone."""

from __future__ import annotations

import numpy as np

from edgeclip.labels.classes import BLANK, normal, observation_type
from edgeclip.labels.species_names import common_name
from edgeclip.pack_making import pack_class, synthetic_images
from edgeclip.prompts import ClassPrompts, class_prompts, column_class
from edgeclip.teaching.eye import Eye
from edgeclip.teaching.ground import Ground

OTHER_ANIMAL = "other animal"
_BESIDE = ("antelope", "bear", "bird", "cat", "cow", "deer", "dog", "elephant", "fox", "hare",
           "monkey", "pig", "rodent", "sheep")  # fmt: skip
"""What else walks past a camera: each is a prototype of `other animal`, a column of its own."""


def words_ground(name: str, eye: Eye) -> Ground:
    """Return the classes that a species is told from where there is no pack: words alone.

    Args:
        name: Of the class to be taught; what its own name says is no class beside it.
        eye: Reads words.
    """
    prompts = _prompts_beside(name)
    columns = [list(column) for item in prompts.values() for column in item.columns]
    places = column_class(prompts)
    start = eye.start(columns, places)
    if start is None:
        raise ValueError("words alone are taught on by what reads words")
    images = synthetic_images(eye.preprocess)
    return Ground(
        classes=[pack_class(own, item) for own, item in prompts.items()],
        column_class=places,
        start=start,
        parts=(),
        tensors={**start, "temperature": np.ones(1, np.float32)},
        temperature=1.0,
        thresholds={},
        images=images,
        carried=images[:0],
    )


def _prompts_beside(name: str) -> dict[str, ClassPrompts]:
    kind = observation_type(name)
    own = set(common_name(normal(name)).split())
    animals = class_prompts([word for word in _BESIDE if word not in own], {})
    beside = class_prompts([OTHER_ANIMAL, "person", "vehicle", BLANK], {})
    first = class_prompts(["animal"], {})["animal"]
    columns = (*first.columns, *(column for item in animals.values() for column in item.columns))
    beside[OTHER_ANIMAL] = ClassPrompts(columns)
    same = {"human": "person", "vehicle": "vehicle"}.get(kind)
    return {own: item for own, item in beside.items() if own != same}
