"""Views for contrastive training: whole frames and crops, each with the facts that hold of it.

The device classifies both whole frames and squares around what moved, so a backbone sees both.
Held-out species are never among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import prepare
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.scenes.captions import Facts, subject_facts
from edgeclip.scenes.sampling import sample_scene
from edgeclip.scenes.scene import DEFAULT_SIZE, Scene, render
from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.strip import strip_height
from edgeclip.scenes.subjects import Box, SceneSpec

TRAINING_LABELS = (BLANK, *(name for name, kind in SPECIES.items() if not kind.held_out))
"""Labels that the demo backbone may see."""

_BLANK_SHARE = 0.22
_NIGHT_SHARE = 0.5
_LEAST_VISIBLE = 0.3  # of a figure, for a crop of it to be worth a caption
_BLANK_CROPS = 0.5  # how often a blank also gives a crop, as wind makes on the device
_JITTER = 0.12  # of a box, for the device's boxes are not exact


@dataclass(frozen=True)
class View:
    """What an encoder is given, and what is true of it.

    Attributes:
        pixels: `(S, S, 3)` uint8 RGB.
        facts: See `captions`.
        label: `blank` or a species.
        is_crop: Else a whole frame, squashed.
    """

    pixels: NDArray[np.uint8]
    facts: Facts
    label: str
    is_crop: bool


def sample_views(
    place_seed: int, count: int, spec: PreprocessSpec, labels: Sequence[str] = TRAINING_LABELS
) -> list[View]:
    """Return views of random scenes at one location.

    Args:
        place_seed: The location; decides all else too, with `count` and `labels`.
        count: How many scenes; each gives one or two views.
        spec: How frames become inputs.
        labels: What the scenes may show; where `blank` is among them it has a fixed share.
    """
    rng = np.random.default_rng([place_seed, count, *"".join(labels).encode()])
    others = [label for label in labels if label != BLANK]
    views: list[View] = []
    for _ in range(count):
        is_blank = not others or (BLANK in labels and rng.random() < _BLANK_SHARE)
        label = BLANK if is_blank else str(rng.choice(others))
        night = bool(rng.random() < _NIGHT_SHARE)
        scene_spec = sample_scene(rng, label, place_seed, night=night, strip=rng.random() < 0.5)
        views += scene_views(scene_spec, rng, spec)
    return views


def scene_views(
    scene_spec: SceneSpec, rng: np.random.Generator, spec: PreprocessSpec
) -> list[View]:
    """Return the whole frame of a scene, and a crop where there is something to crop.

    Args:
        scene_spec: What to render.
        rng: Of the crop's place.
        spec: How frames become inputs.
    """
    scene = render(scene_spec, size=DEFAULT_SIZE)
    image = scene.image
    if scene_spec.strip and rng.random() < 0.6:  # most devices cut the strip off
        image = image[: -strip_height(image.shape[0])]
    views = [View(prepare(image, spec), scene.facts, scene.label, is_crop=False)]
    if scene.label == BLANK:
        if rng.random() < _BLANK_CROPS:
            box = _anywhere(rng)
            views.append(View(prepare(scene.image, spec, box), scene.facts, BLANK, is_crop=True))
    elif scene.visible[-1] >= _LEAST_VISIBLE:
        views.append(_crop(scene, scene_spec, rng, spec))
    return views


def _crop(
    scene: Scene, scene_spec: SceneSpec, rng: np.random.Generator, spec: PreprocessSpec
) -> View:
    x, y, wide, tall = scene.boxes[-1]
    shift = rng.uniform(-_JITTER, _JITTER, 4)
    box = (
        float(np.clip(x + shift[0] * wide, 0, 1)),
        float(np.clip(y + shift[1] * tall, 0, 1)),
        wide * (1 + float(shift[2])),
        tall * (1 + float(shift[3])),
    )
    nearest = next(s for s in scene_spec.subjects if s.species == scene.label)
    facts = subject_facts(nearest, scene_spec.light.kind)
    return View(prepare(scene.image, spec, box), facts, scene.label, is_crop=True)


def _anywhere(rng: np.random.Generator) -> Box:
    """Return a random box in the part of a frame where plants move."""
    wide, tall = rng.uniform(0.12, 0.5, 2)
    return (
        float(rng.uniform(0, 1 - wide)),
        float(rng.uniform(0.05, 0.92 - tall)),
        float(wide),
        float(tall),
    )
