"""One draw of the case study: which images teach, which decide, which test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.case.scenes import CLASSES, SetPlan, load_set, wind_of
from edgeclip.baselines.judging import Task
from edgeclip.config import Recipe
from edgeclip.labels.dataset import LabelledImage
from edgeclip.regions import Region, Strips, regions_of

MOST_IMAGES = 500
TEST = SetPlan(images=360, first_place=450_000, places=40, seed=90)
_VALIDATION = 0.25  # of the labelled images and of the places
_LEAST_VALIDATION = 2  # images of each class
_PLACES = 24
STRIPS = Strips()

Images = tuple[LabelledImage, ...]


@dataclass(frozen=True)
class Draw:
    """The images of one seed and one number of leopards; the test images are always the same.

    Attributes:
        seed: Of the draw.
        leopards: Labelled images of the target, training and validation together.
        training: Images.
        validation: Images at other locations.
        test: Images at still other ones.
        classes: Class -> labels, the target first.
    """

    seed: int
    leopards: int
    training: Images
    validation: Images
    test: Images
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CLASSES)

    @property
    def task(self) -> Task:
        """All classes, of which the first is looked for."""
        names = tuple(self.classes)
        return Task(names, names[:1])

    @property
    def labelled(self) -> Images:
        """Training and validation images, in this order: what an ecologist would bring."""
        return self.training + self.validation

    @property
    def set_apart(self) -> frozenset[int]:
        """Places of the validation images among the labelled ones."""
        return frozenset(range(len(self.training), len(self.labelled)))

    def regions(self, part: str) -> tuple[Images, tuple[Region, ...]]:
        """Return a part's images and regions: the recipe's views to train on, one elsewhere."""
        images: Images = getattr(self, part)
        views = Recipe().views_of(len(self.labelled)) if part in ("training", "labelled") else 1
        return images, tuple(regions_of(images, range(len(images)), views=views))


@dataclass(frozen=True)
class Scenes:
    """Where the rendered images of all draws lie.

    Attributes:
        folder: Made where absent.
        processes: That render.
        shrink: Divides the number of images and places, for a quick look.
    """

    folder: Path
    processes: int
    shrink: int = 1

    @cached_property
    def test(self) -> Images:
        """The test images."""
        return self._load("test", TEST)

    @cached_property
    def test_wind(self) -> NDArray[np.float64]:
        """The wind of each test image, 0..1."""
        folder = self.folder / self._name("test")
        wind = wind_of(folder)
        return np.asarray([wind[str(image.path.relative_to(folder))] for image in self.test])

    def draw(self, seed: int, leopards: int) -> Draw:
        """Return the first images of each part: a smaller draw is contained in a larger one."""
        held = round(MOST_IMAGES * _VALIDATION)
        first, apart = 400_000 + 1000 * seed, round(_PLACES * _VALIDATION)
        training = SetPlan(MOST_IMAGES - held, first, _PLACES - apart, seed)
        validation = SetPlan(held, first + _PLACES, apart, seed + 500)
        few = max(_LEAST_VALIDATION, round(leopards * _VALIDATION))
        return Draw(
            seed=seed,
            leopards=leopards,
            training=_first(self._load(f"training-{seed}", training), leopards - few),
            validation=_first(self._load(f"validation-{seed}", validation), few),
            test=self.test,
        )

    def _load(self, name: str, plan: SetPlan) -> Images:
        less = SetPlan(
            max(6, plan.images // self.shrink), plan.first_place,
            max(2, plan.places // self.shrink), plan.seed,
        )  # fmt: skip
        return load_set(self.folder / self._name(name), less, self.processes).images

    def _name(self, name: str) -> str:
        return name if self.shrink == 1 else f"{name}-small"


def _first(images: Images, count: int) -> Images:
    """Return the first images of each class."""
    taken = dict.fromkeys(CLASSES, 0)
    chosen = []
    for image in images:
        taken[image.class_name] += 1
        if taken[image.class_name] <= count:
            chosen.append(image)
    return tuple(chosen)
