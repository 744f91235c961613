"""A sequence of rendered tasks: another species, infrared, another region, and all at once."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.clip import Backbone
from edgeclip.contract.preprocess import decode_image
from edgeclip.regions import Region, Strips, pixels_of
from edgeclip.scenes.image_sets import COLUMNS, TABLE, ImageSetPlan, frames
from edgeclip.scenes.locations import Biome, location

CLASSES = ("predator", "grazer", "blank")
_KNOWN = 400  # seeds of locations that are looked through for a region
_BATCH = 64
_COLUMNS = COLUMNS[:5]  # no boxes: packs learn whole frames, which the router sees on a device


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: Of its pack.
        region: Where its cameras stand.
        light: day or infrared.
        species: What is a predator there, and what a grazer.
    """

    name: str
    region: Biome
    light: str
    species: tuple[str, str]

    @property
    def facts(self) -> dict[str, str]:
        """What a camera knows of its frames without looking at them."""
        return {"region": self.region, "light": self.light}


TASKS = (
    Task("leopard", "savanna", "day", ("leopard", "impala")),
    Task("hyena", "savanna", "day", ("spotted hyena", "zebra")),
    Task("night", "savanna", "infrared", ("leopard", "impala")),
    Task("forest", "forest", "day", ("leopard", "duiker")),
    Task("scrub-night", "scrub", "infrared", ("lion", "warthog")),
)


@dataclass(frozen=True)
class Seen:
    """Images of a task, encoded.

    Attributes:
        base: `(n, E)` float32, unit norm.
        labels: `(n,)` int64, index into `CLASSES`.
    """

    base: NDArray[np.float32]
    labels: NDArray[np.int64]


def class_options() -> list[str]:
    """Return what `edgeclip train` is told of the classes; the same for every task."""
    options = []
    for index, name in enumerate(CLASSES[:2]):
        species = dict.fromkeys(task.species[index] for task in TASKS)
        options += ["--class", f"{name}={','.join(species)}"]
    return [*options, "--class", "blank"]


def rendered(folder: Path, task: Task, *, places: range, images: int, seed: int) -> Path:
    """Write a task's images, in equal parts of each class, and their table; return the table.

    Args:
        folder: Is made.
        task: Which.
        places: Which of the region's locations, by number.
        images: Of each class.
        seed: Of what happens there.
    """
    known = [n for n in range(_KNOWN) if location(n).biome == task.region]
    rows: list[list[str]] = [list(_COLUMNS)]
    for number, place in enumerate(known[places.start : places.stop]):
        share = len(range(number, images, len(places)))
        plan = ImageSetPlan(
            dict.fromkeys((*task.species, "blank"), share),
            locations=1,
            first_location=place,
            seed=1000 * seed + place,
            night_share=float(task.light == "infrared"),
            strip=False,
        )
        for label in plan.counts:
            for frame in frames(plan, label):
                path = folder / frame.path
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), frame.scene.image[..., ::-1])
                rows.append(frame.row(label)[: len(_COLUMNS)])
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / TABLE


def joined(tables: list[Path], out: Path) -> Path:
    """Write one table of several; paths are whole."""
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for table in tables:
            with table.open(newline="", encoding="utf-8") as own:
                for path, *rest in list(csv.reader(own))[1:]:
                    writer.writerow([str(table.parent / path), *rest])
    return out


def encoded(table: Path, task: Task, backbone: Backbone) -> Seen:
    """Return a task's images as the encoder sees them: whole frames."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    views = [
        pixels_of(
            decode_image((table.parent / row["path"]).read_bytes()),
            Region(0, None, 0), "", spec=backbone.preprocess, strips=Strips(),
        )
        for row in rows
    ]  # fmt: skip
    parts = [
        backbone.embed_images(np.stack(views[at : at + _BATCH]))[1].numpy()
        for at in range(0, len(views), _BATCH)
    ]
    base = np.concatenate(parts)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    order = (*task.species, "blank")
    return Seen(base, np.array([order.index(row["label"]) for row in rows]))


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def size_bytes(folder: Path, pattern: str = "**/*") -> int:
    """Return the bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
