"""One frame: render a specification into pixels, boxes, labels and a caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeclip.scenes.captions import Facts, describe, frame_facts
from edgeclip.scenes.compositing import Placed, compose
from edgeclip.scenes.light import Image, draw_eyeshine, expose, illuminate
from edgeclip.scenes.locations import location
from edgeclip.scenes.noise import Field
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.strip import draw_strip, strip_height
from edgeclip.scenes.subjects import Box, SceneSpec
from edgeclip.scenes.vegetation import stage
from edgeclip.scenes.wind import drifted

DEFAULT_SIZE = (360, 640)
_LEAST_VISIBLE = 0.06  # of a figure; less cannot be labelled by a person either
_EYE = 0.022  # radius of the shine, shoulder heights


@dataclass(frozen=True)
class Scene:
    """A rendered frame and its truth.

    Attributes:
        image: `(H, W, 3)` uint8 RGB; three equal channels in infrared.
        boxes: Of each visible figure as far as it lies inside the frame; plants before it are
            disregarded. From far to near.
        labels: Species of each box.
        visible: Part of each figure that neither plants nor the frame's edge hide, 0..1.
        facts: What can be said of the frame.
        caption: One English sentence that is true of the frame.
    """

    image: Image
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]
    visible: tuple[float, ...]
    facts: Facts
    caption: str

    @property
    def label(self) -> str:
        """The nearest figure's species, or `blank`."""
        return self.labels[-1] if self.labels else BLANK


def render(spec: SceneSpec, *, size: tuple[int, int] = DEFAULT_SIZE) -> Scene:
    """Return the frame of a specification; equal specifications give equal pixels.

    Args:
        spec: What to show.
        size: `(H, W)`, px; each at least 32.

    Raises:
        ValueError: The size is too small.
        KeyError: A subject's species is not in `SPECIES`.
    """
    if min(size) < 32:
        raise ValueError(f"size is {size}: height and width are at least 32 px")
    canvas, placed = compose(spec, size)
    place, rng = location(spec.location), np.random.default_rng([spec.seed, 5])
    spots = drifted(stage(spec.location, size).dapples, wind=spec.wind, time_s=spec.time_s)
    lit = illuminate(canvas, spec.light, place, spots)
    if spec.light.is_infrared:
        _shine(lit, placed, size)
    image = expose(lit, spec.light, rng)
    if spec.strip:
        draw_strip(image, place, spec.at, spec.temperature_c)
    seen = _visible(placed, strip_height(size[0]) if spec.strip else 0)
    facts = frame_facts(spec, [(figure.subject, share) for figure, _, share in seen])
    return Scene(
        image=image,
        boxes=tuple(box for _, box, _ in seen),
        labels=tuple(figure.subject.species for figure, _, _ in seen),
        visible=tuple(share for _, _, share in seen),
        facts=facts,
        caption=describe(facts, rng).text,
    )


def _shine(lit: Field, placed: list[Placed], size: tuple[int, int]) -> None:
    """Let the eyes shine that no plant hides."""
    for figure in placed:
        eyes = [
            (x, y)
            for x, y in figure.eyes
            if 0 <= x < size[1] and 0 <= y < size[0] and figure.shown[int(y), int(x)]
        ]
        if eyes and figure.subject.species != "person":  # people's eyes do not reflect
            draw_eyeshine(lit, eyes, _EYE * figure.subject.height * size[0])


def _visible(placed: list[Placed], strip_rows: int) -> list[tuple[Placed, Box, float]]:
    """Return the figures that can be seen above the strip, with box and visible share."""
    seen = []
    for index, figure in enumerate(placed):
        shown = figure.shown.copy()
        for nearer in placed[index + 1 :]:
            shown[nearer.shown > 0] = 0
        if strip_rows:
            shown[-strip_rows:] = 0
        share = float(np.count_nonzero(shown)) / max(figure.area_px, 1)
        box = _cut(figure.box, figure.shown.shape[0], strip_rows)
        if box is not None and share >= _LEAST_VISIBLE:
            seen.append((figure, box, min(share, 1.0)))
    return seen


def _cut(box: Box | None, height: int, strip_rows: int) -> Box | None:
    """Return the part of a box above the strip."""
    if box is None:
        return None
    x, y, wide, tall = box
    bottom = min(y + tall, 1 - strip_rows / height)
    return (x, y, wide, bottom - y) if bottom > y else None
