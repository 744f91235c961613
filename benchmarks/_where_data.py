"""Images with known boxes: rendered scenes, and real ones that MegaDetector boxed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import decode_image, prepare
from edgeclip.contract.preprocess_spec import Box, PreprocessSpec
from edgeclip.scenes.image_sets import ImageSetPlan, frames

SURE = 0.8  # of a box of MegaDetector that counts as truth
_BOXED = ("jaguar_reid_manifest.csv", "Detections.csv", "buow_detections.csv")  # of animl


@dataclass(frozen=True)
class Boxed:
    """An image as the encoder sees it, and where its class truly is.

    Attributes:
        pixels: `(S, S, 3)` uint8, RGB.
        label: Of the class.
        boxes: Of all of that class, x, y, width, height relative to the frame.
        place: Camera location; of real images the file's name, where no place is known.
    """

    pixels: NDArray[np.uint8]
    label: str
    boxes: tuple[Box, ...]
    place: str

    @property
    def area(self) -> float:
        """Of the largest box, relative to the frame."""
        return max(width * height for _, _, width, height in self.boxes)

    @property
    def covered(self) -> float:
        """Share of the frame inside any box: what a point thrown at random would hit."""
        at = (np.arange(100) + 0.5) / 100
        hit = np.zeros((100, 100), np.bool_)
        for x, y, width, height in self.boxes:
            inside = [
                (first <= at) & (at < first + side) for first, side in ((y, height), (x, width))
            ]
            hit |= inside[0][:, None] & inside[1][None]
        return float(hit.mean())


def rendered(plan: ImageSetPlan, spec: PreprocessSpec) -> list[Boxed]:
    """Return scenes of a plan; in each the nearest animal is of the label.

    Args:
        plan: What to render, without blanks.
        spec: The encoder's preprocessing.
    """
    found = []
    for label in plan.counts:
        for frame in frames(plan, label):
            scene = frame.scene
            pairs = zip(scene.labels, scene.boxes, strict=True)
            boxes = tuple(box for name, box in pairs if name == label)
            place = str(frame.spec.location)
            found.append(Boxed(prepare(scene.image, spec), label, boxes, place))
    return found


def real(folder: Path, spec: PreprocessSpec) -> list[Boxed]:
    """Return the animals of real images that MegaDetector is sure of.

    Args:
        folder: With `manifest.csv` and the detector's tables of animl.
        spec: The encoder's preprocessing.
    """
    boxes: dict[str, list[Box]] = {}
    for name, box in _detected(folder / "format-fixtures/animl"):
        boxes.setdefault(name, []).append(box)
    found = []
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = Path(row["path"]).name
            if not row["path"].startswith("animl-py/") or name not in boxes:
                continue
            pixels = prepare(decode_image((folder / row["path"]).read_bytes()), spec)
            label = row["label"].replace("_", " ")
            found.append(Boxed(pixels, label, tuple(boxes.pop(name)), row["location"] or name))
    return found


def _detected(folder: Path) -> Iterator[tuple[str, Box]]:
    for table in _BOXED:
        with (folder / table).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["category"] == "1" and row["conf"] and float(row["conf"]) >= SURE:
                    name = (row.get("filename") or row["FileName"]).replace(" ", "_")
                    yield name, _box(row)


def _box(row: dict[str, str]) -> Box:
    names = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
    if "bbox1" in row:
        names = ("bbox1", "bbox2", "bbox3", "bbox4")
    x, y, width, height = (float(row[name]) for name in names)
    return x, y, width, height
