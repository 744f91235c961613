"""Rendered scenes of two sets of places: what is taught from, and what is judged on."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeclip.labels.dataset import Dataset, LabelledImage, load_dataset, read_labels
from edgeclip.scenes.image_sets import COLUMNS, ImageSetPlan, write_image_set
from edgeclip.scenes.species import BLANK, SPECIES

TAUGHT = ("leopard", "impala", "warthog", "mongoose")
"""Taught and reported; none of them had a say in a rule. The backbone knows all but the leopard."""
KNOWN = ("zebra", "elephant")
"""Classes of the pack that is built on, with blank."""
UNNAMED = "quoll"
"""What a species is called that the backbone knows: a name that says nothing to it."""
OTHER = "other animal"
OTHERS, LABELLED = 40, 50
_FIRST_PLACE = {"site": 700, "elsewhere": 740}


@dataclass(frozen=True)
class Draw:
    """What one teaching gets.

    Attributes:
        taught: Images of one species, each of another burst.
        others: Frames without it, half of them blank.
    """

    taught: tuple[LabelledImage, ...]
    others: tuple[LabelledImage, ...]


def name_of(species: str) -> str:
    """Return what a species is called: its name where the backbone has never read it."""
    return species if SPECIES[species].held_out else UNNAMED


def render(folder: Path) -> dict[str, Dataset]:
    """Return the two sets, `site` and `elsewhere`, which share no place."""
    rare = dict.fromkeys(SPECIES, 12)
    counts = {
        "site": {**rare, **dict.fromkeys((*TAUGHT, *KNOWN), 54), BLANK: 90},
        "elsewhere": {**dict.fromkeys(SPECIES, 4), **dict.fromkeys(TAUGHT, 36), BLANK: 60},
    }
    return {name: _rendered(folder / name, own, name) for name, own in counts.items()}


def _rendered(folder: Path, counts: Mapping[str, int], name: str) -> Dataset:
    places = 6 if name == "site" else 12
    plan = ImageSetPlan(counts, locations=places, seed=places, first_location=_FIRST_PLACE[name])
    if not folder.is_dir():
        write_image_set(folder, plan)
    return load_dataset(read_labels(folder / "labels.csv"), {})


def write_boxes(dataset: Dataset, path: Path) -> Path:
    """Write the boxes of a set as a detector would, and return the file."""
    images = [
        {
            "file": str(image.path),
            "detections": [{"category": "1", "conf": 0.9, "bbox": list(image.box)}]
            if image.box
            else [],
        }
        for image in dataset.images
    ]
    content = {"images": images, "detection_categories": {"1": "animal"}, "info": {}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_labels(site: Dataset, path: Path, names: Mapping[str, str], *, others: int) -> Path:
    """Write a table of labels of a set, and return it: up to 50 images of each class.

    Args:
        site: What is labelled.
        path: Of the table.
        names: What each species is called.
        others: Images of all other species together, as one class; none at 0.
    """
    room = {**dict.fromkeys(names.values(), LABELLED), BLANK: LABELLED, OTHER: others}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([c for c in COLUMNS if c != "datetime"])
        for image in _mixed(site.images):
            label = names.get(image.class_name, BLANK if image.class_name == BLANK else OTHER)
            room[label] -= 1
            if room[label] >= 0:
                box = [f"{value:.5f}" for value in image.box] if image.box else [""] * 4
                writer.writerow([image.path, label, image.location, image.sequence, *box])
    return path


def _mixed(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Return images in an order of chance, so that the first of a class are of many places."""
    return [images[i] for i in np.random.default_rng(0).permutation(len(images))]


def draw(site: Dataset, species: str, shots: int, seed: int) -> Draw:
    """Return what one teaching gets."""
    rng = np.random.default_rng([seed, shots, *species.encode()])
    own = [image for image in site.images if image.class_name == species]
    bursts = sorted({image.sequence for image in own})
    picked = [bursts[i] for i in rng.permutation(len(bursts))[:shots]]
    taught = [_any(rng, [image for image in own if image.sequence == burst]) for burst in picked]
    blank = [image for image in site.images if image.class_name == BLANK]
    other = [i for i in site.images if i.class_name not in (species, BLANK)]
    half = OTHERS // 2
    chosen = [group[i] for group in (blank, other) for i in rng.permutation(len(group))[:half]]
    return Draw(tuple(taught), tuple(chosen))


def judged(elsewhere: Dataset, species: str) -> Dataset:
    """Return the images that a species is judged on: 36 of it, 4 of each other, 60 blank."""
    kept, counts = [], dict.fromkeys(elsewhere.class_names, 0)
    for image in elsewhere.images:
        name = image.class_name
        counts[name] += 1
        if name in (species, BLANK) or counts[name] <= 4:
            kept.append(image)
    return Dataset(elsewhere.source, tuple(kept), elsewhere.class_names, {}, (), (), len(kept))


def _any(rng: np.random.Generator, images: list[LabelledImage]) -> LabelledImage:
    return images[int(rng.integers(len(images)))]
