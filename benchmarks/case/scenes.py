"""The images of the case study: bursts at camera places, rendered in parallel, written once."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from edgeclip.contract.files import new_folder
from edgeclip.labels.dataset import Dataset, load_dataset, read_labels
from edgeclip.scenes.image_sets import COLUMNS, TABLE, ImageSetPlan, frames
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.views import TRAINING_LABELS

TARGET, OTHER = "leopard", "other"
OTHERS = tuple(name for name in TRAINING_LABELS if name != BLANK)
CLASSES = {TARGET: (TARGET,), OTHER: OTHERS, BLANK: (BLANK,)}
_BURST = 3  # images a trigger
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class SetPlan:
    """One part of the case study: as many leopards as others as blanks.

    Attributes:
        images: Of each of the three.
        first_place: Seed of the first location; no two parts share one.
        places: How many locations; bursts go round them in turn.
        seed: Of what happens there.
    """

    images: int
    first_place: int
    places: int
    seed: int


@dataclass(frozen=True)
class Burst:
    """Up to three images of one trigger."""

    label: str
    number: int
    place: int
    length: int
    seed: int


def bursts_of(plan: SetPlan) -> Iterator[Burst]:
    """Yield the bursts of a part, leopards, others and blanks in turn."""
    for number in range(-(-plan.images // _BURST)):
        length = min(_BURST, plan.images - number * _BURST)
        for kind, label in enumerate((TARGET, OTHERS[number % len(OTHERS)], BLANK)):
            place = plan.first_place + (number + kind) % plan.places
            yield Burst(label, number, place, length, plan.seed * 1_000_000 + number)


def load_set(folder: Path, plan: SetPlan, processes: int) -> Dataset:
    """Return the images of a part, rendered first where the folder is absent.

    Args:
        folder: Named after the plan by the caller: an existing one is trusted.
        plan: What to render.
        processes: That render.
    """
    if not folder.is_dir():
        _write(folder, plan, processes)
    return load_dataset(read_labels(folder / TABLE), CLASSES)


def wind_of(folder: Path) -> dict[str, float]:
    """Return the wind, 0..1, of each image by its path in the table."""
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return {row["path"]: float(row["wind"]) for row in csv.DictReader(file)}


def _write(folder: Path, plan: SetPlan, processes: int) -> None:
    with new_folder(folder) as new:
        jobs = [(new, burst) for burst in bursts_of(plan)]
        if processes == 1:
            groups = [_write_burst(job) for job in jobs]
        else:
            with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
                groups = list(pool.map(_write_burst, jobs, chunksize=8))
        with (new / TABLE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*COLUMNS, "wind"])
            writer.writerows(row for group in groups for row in group)


def _write_burst(job: tuple[Path, Burst]) -> list[list[str]]:
    """Write one burst; return its rows of the table."""
    folder, burst = job
    night = int(np.random.default_rng([burst.seed, *burst.label.encode()]).integers(2))
    plan = ImageSetPlan(
        counts={burst.label: burst.length}, locations=1, seed=burst.seed,
        first_location=burst.place, night_share=night,
    )  # fmt: skip
    rows = []
    for index, frame in enumerate(frames(plan, burst.label)):
        row = frame.row(burst.label)
        name = f"{burst.label.replace(' ', '-')}-{burst.number}"
        row[0] = f"images/{row[2]}/{name}-{index}.jpg"
        row[4] = f"{row[2]} {name}"
        path = folder / row[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        path.write_bytes(cv2.imencode(".jpg", frame.scene.image[..., ::-1], quality)[1].tobytes())
        rows.append([*row, f"{frame.spec.wind:.3f}"])
    return rows


def _one_thread() -> None:
    cv2.setNumThreads(1)  # the processes fill the cores
