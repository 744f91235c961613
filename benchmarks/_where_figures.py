"""What maps and boxes are worth: pointing game, IoU, and differences over places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks._where_data import Boxed
from edgeclip.contract.heat_box import heat_box
from edgeclip.contract.preprocess_spec import Box

RESAMPLES = 2000

Map = NDArray[np.float32]
Rows = list[dict[str, float]]


def iou(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union."""
    sides = [
        max(0.0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]))
        for i in (0, 1)
    ]
    shared = sides[0] * sides[1]
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def judged(truth: Boxed, box: Box | None, point: tuple[float, float]) -> dict[str, float]:
    """Return whether a point hits the class, and the best IoU of a box with one of its own."""
    x, y = point
    hits = any(a <= x < a + wide and b <= y < b + tall for a, b, wide, tall in truth.boxes)
    best = max(iou(box, own) for own in truth.boxes) if box else 0.0
    return {"pointing": float(hits), "iou": best}


def of_map(truth: Boxed, found: Map) -> dict[str, float]:
    """Return what a map is worth."""
    row, col = divmod(int(found.argmax()), found.shape[1])
    point = (col + 0.5) / found.shape[1], (row + 0.5) / found.shape[0]
    return judged(truth, heat_box(found), point)


def figures(rows: Rows, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Return the means over the chosen images."""
    overlaps = np.array([row["iou"] for row in rows])[chosen]
    hits = np.array([row["pointing"] for row in rows])[chosen]
    return {
        "pointing": round(float(hits.mean()), 3),
        "mean_iou": round(float(overlaps.mean()), 3),
        "iou_0.3": round(float((overlaps >= 0.3).mean()), 3),
        "iou_0.5": round(float((overlaps >= 0.5).mean()), 3),
    }


def difference(
    ours: Rows, theirs: Rows, places: Sequence[str], what: str
) -> dict[str, float | list[float]]:
    """Return how much better ours is, with the 95 % interval over places drawn again."""
    gains = np.array([a[what] - b[what] for a, b in zip(ours, theirs, strict=True)])
    names, index = np.unique(np.asarray(places), return_inverse=True)
    sums, counts = np.bincount(index, gains), np.bincount(index)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), [1 / len(names)] * len(names), size=RESAMPLES)
    means = (drawn @ sums) / (drawn @ counts)
    interval = [round(float(edge), 3) for edge in np.quantile(means, (0.025, 0.975))]
    return {"mean": round(float(gains.mean()), 3), "interval": interval}


def summary(
    images: Sequence[Boxed], found: Mapping[str, Rows], groups: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """Return all figures, of all images and of groups of them, the first method against others."""
    first = next(iter(found))
    covered = np.array([image.covered for image in images])
    places = [image.place for image in images]
    every = {"all": np.ones(len(images), np.bool_), **groups}
    return {
        "images": {name: int(chosen.sum()) for name, chosen in every.items()},
        "pointing_by_chance": {
            name: round(float(covered[chosen].mean()), 3)
            for name, chosen in every.items() if chosen.any()
        },
        "methods": {
            method: {n: figures(rows, chosen) for n, chosen in every.items() if chosen.any()}
            for method, rows in found.items()
        },
        f"{first}_minus": {
            method: {
                what: difference(found[first], rows, places, what) for what in ("pointing", "iou")
            }
            for method, rows in found.items() if method != first
        },
    }  # fmt: skip


def shown_table(figures_of: Mapping[str, Any]) -> Table:
    """Return a table of all groups: a line a method."""
    table = Table("group", "images", "method", "points at it", "mean IoU", "IoU >= 0.3", ">= 0.5")
    for group, images in figures_of["images"].items():
        for method, found in figures_of["methods"].items():
            if group in found:
                table.add_row(
                    group, str(images), method, *(f"{v:.3f}" for v in found[group].values())
                )
    return table
