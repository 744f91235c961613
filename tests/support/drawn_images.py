"""Small labelled images drawn in code: something spotted, or grass alone, at several places."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 64, 48
COLUMNS = (
    "path",
    "label",
    "location",
    "datetime",
    "seq_id",
    "bbox_x",
    "bbox_y",
    "bbox_w",
    "bbox_h",
)
_COLORS = {"leopard": (230, 140, 30), "zebra": (245, 245, 245), "elephant": (90, 90, 110)}
_BOX = (0.25, 0.25, 0.5, 0.5)


@dataclass(frozen=True)
class DrawnSet:
    """What to draw.

    Attributes:
        bursts: By label, at each location.
        locations: How many places.
        frames: Of each burst.
        with_boxes: Whether the table has them.
    """

    bursts: Mapping[str, int]
    locations: int = 6
    frames: int = 2
    with_boxes: bool = False


def draw(label: str, seed: int, *, background: int = 0) -> NDArray[np.uint8]:
    """Return a frame `(48, 64, 3)` uint8; each seed gives other noise, each background a green."""
    rng = np.random.default_rng((seed, background))
    frame = np.empty((HEIGHT, WIDTH, 3))
    frame[:] = (40 + 7 * (background % 9), 110 + 9 * (background % 7), 50)
    if label in _COLORS:
        frame[12:36, 16:48] = _COLORS[label]
        frame[14:34:6, 18:46:6] = 20
    return np.clip(frame + rng.normal(0, 12, frame.shape), 0, 255).astype(np.uint8)


def write_set(folder: Path, drawn: DrawnSet) -> Path:
    """Write images and `labels.csv`; return the table's path."""
    rows: list[tuple[object, ...]] = []
    at = datetime(2024, 5, 1, 6, tzinfo=timezone.utc)
    for place in range(drawn.locations):
        for label, bursts in drawn.bursts.items():
            for burst in range(bursts):
                at += timedelta(hours=1)
                for frame in range(drawn.frames):
                    name = f"place{place}/{label}_{burst}_{frame}.jpg"
                    save(folder / name, draw(label, len(rows), background=place))
                    time = f"{at + timedelta(seconds=frame):%Y-%m-%d %H:%M:%S}"
                    box = _BOX if drawn.with_boxes and label in _COLORS else ("",) * 4
                    rows.append(
                        (name, label, f"place{place}", time, f"{place}-{label}-{burst}", *box)
                    )
    return write_table(folder / "labels.csv", [COLUMNS, *rows])


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write an image in the format of its suffix, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_table(path: Path, rows: list[tuple[object, ...]]) -> Path:
    """Write a comma-separated table and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path
