"""Labelled image sets as a camera project delivers them: bursts at locations, and a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np

from edgeclip.contract.files import new_folder, refuse_filled
from edgeclip.errors import ConfigError
from edgeclip.scenes.light import Image
from edgeclip.scenes.locations import location
from edgeclip.scenes.sampling import sample_scene
from edgeclip.scenes.scene import DEFAULT_SIZE, Scene, render
from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.subjects import SceneSpec
from edgeclip.scenes.walking import walked

TABLE = "labels.csv"
COLUMNS = (
    "path", "label", "location", "datetime", "seq_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h",
)  # fmt: skip
_BURST = 3  # frames a trigger
_GAP_S = 0.5  # between the frames of a burst
_JPEG_QUALITY = 85
_ATTEMPTS = 40  # random scenes until one shows what its label says in each frame


@dataclass(frozen=True)
class ImageSetPlan:
    """What an image set holds.

    Attributes:
        counts: Images of each label; `blank` is a label. A burst has three, a label's last
            burst may have fewer.
        locations: How many camera places; each label is shown at each in turn.
        seed: The same plan gives the same files.
        first_location: Seed of the first location; sets with other locations share no background.
        night_share: Part of each label's bursts that is infrared, 0..1.
        size: `(H, W)`, px.
        strip: Whether the information strip is burned in.
    """

    counts: Mapping[str, int]
    locations: int
    seed: int = 0
    first_location: int = 0
    night_share: float = 0.5
    size: tuple[int, int] = DEFAULT_SIZE
    strip: bool = True

    def check(self) -> None:
        """Refuse a plan that cannot be rendered.

        Raises:
            ConfigError: A label is unknown, or a number is out of range.
        """
        known = [BLANK, *SPECIES]
        for label, count in self.counts.items():
            if label not in known:
                raise ConfigError(f"counts: {label!r} cannot be rendered: use {', '.join(known)}")
            if count < 0:
                raise ConfigError(f"counts: {label} is {count}: give 0 or more images")
        if self.locations < 1 or self.first_location < 0:
            raise ConfigError(
                f"locations is {self.locations} from {self.first_location}: give at least one, from"
                " 0 or more"
            )
        if not 0 <= self.night_share <= 1:
            raise ConfigError(f"night_share is {self.night_share}: give a part in 0..1")
        if min(self.size) < 64:
            raise ConfigError(f"size is {self.size}: height and width are at least 64 px")


@dataclass(frozen=True)
class Frame:
    """One image of a set.

    Attributes:
        path: Relative to the set's folder.
        seq_id: Shared by the frames of a burst.
        spec: What was rendered.
        scene: Pixels and truth.
    """

    path: str
    seq_id: str
    spec: SceneSpec
    scene: Scene

    def row(self, label: str) -> list[str]:
        """Return the frame's row of the table, in the order of `COLUMNS`."""
        box = [f"{v:.5f}" for v in self.scene.boxes[-1]] if self.scene.boxes else [""] * 4
        at = self.spec.at.strftime("%Y-%m-%d %H:%M:%S")
        return [self.path, label, location(self.spec.location).name, at, self.seq_id, *box]


def write_image_set(out: Path, plan: ImageSetPlan) -> Path:
    """Write `out/images/<location>/*.jpg` and `out/labels.csv`, whole or not at all.

    `bbox_*` are relative to the frame (0..1, origin top left) and hold the nearest animal; they are
    empty for blanks.

    Args:
        out: A folder that does not exist, or is empty.
        plan: What to render.

    Returns:
        The table's path.

    Raises:
        ConfigError: The plan cannot be rendered, or `out` is not empty.
    """
    plan.check()
    refuse_filled(out, option=None)  # it may hold a person's own labels: nothing replaces them
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    with new_folder(out) as folder:
        for label in plan.counts:
            for frame in frames(plan, label):
                _write_jpeg(folder / frame.path, frame.scene.image)
                writer.writerow(frame.row(label))
        (folder / TABLE).write_text(table.getvalue(), encoding="utf-8")
    return out / TABLE


def frames(plan: ImageSetPlan, label: str) -> Iterator[Frame]:
    """Yield the frames of one label, burst by burst."""
    total = plan.counts[label]
    bursts = -(-total // _BURST)
    rng = np.random.default_rng([plan.seed, *label.encode()])
    is_night = np.arange(bursts) < round(bursts * plan.night_share)
    rng.shuffle(is_night)
    for index in range(bursts):
        place = plan.first_location + index % plan.locations
        length = min(_BURST, total - index * _BURST)
        yield from _burst(plan, (label, place, length), bool(is_night[index]), rng)


def _burst(
    plan: ImageSetPlan, what: tuple[str, int, int], night: bool, rng: np.random.Generator
) -> list[Frame]:
    """Return a burst whose every frame shows the label."""
    label, place, length = what
    for _ in range(_ATTEMPTS):
        first = sample_scene(rng, label, place, night=night, strip=plan.strip)
        specs = [_later(first, number, plan.size) for number in range(length)]
        scenes = [render(spec, size=plan.size) for spec in specs]
        if all(scene.label == label for scene in scenes):
            name = location(place).name
            stamp = f"{name}_{first.at:%Y%m%d_%H%M%S}_{first.seed % 1000:03d}"
            return [
                Frame(f"images/{name}/{stamp}_{i + 1}.jpg", stamp, spec, scene)
                for i, (spec, scene) in enumerate(zip(specs, scenes, strict=True))
            ]
    raise ConfigError(
        f"{label} at location {place} was hidden in {_ATTEMPTS} random scenes: choose another"
        " first_location"
    )


def _later(spec: SceneSpec, number: int, size: tuple[int, int]) -> SceneSpec:
    """Return frame `number` of a burst: the wind blows on and the animals walk on."""
    seconds, place = number * _GAP_S, location(spec.location)
    return replace(
        spec,
        subjects=tuple(walked(subject, place, seconds, size) for subject in spec.subjects),
        time_s=spec.time_s + seconds,
        at=spec.at + timedelta(seconds=int(seconds)),
        seed=spec.seed + number,
    )


def _write_jpeg(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    path.write_bytes(cv2.imencode(".jpg", image[..., ::-1], quality)[1].tobytes())
