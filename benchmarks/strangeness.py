"""How often an archive is warned of that is like, and that is unlike, what a pack learned from.

    python -m benchmarks.strangeness [--places 6] [--draws 12] [--seed 1] [--out FILE]

Rendered cameras of five regions and lights, ten places each, as the carried CLIP sees them. Of each
some places are drawn to learn from. Counted is how often it is warned of each place that was left,
alone as an archive (of n places it should be 1 in n + 1), and of all images of each other task.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._kept import show_and_keep
from benchmarks._router_tasks import TASKS, encoded, rendered
from edgeclip.adapters.left_out import Whence
from edgeclip.adapters.router_rows import router_row
from edgeclip.archive.strangeness import Strangeness
from edgeclip.clip import load_backbone
from edgeclip.contract.familiarity import Familiar

RESULT = Path(__file__).parent / "results/strangeness.json"
PLACES, IMAGES = range(10), 40  # of a task; images of each class over all its places


@dataclass(frozen=True)
class World:
    """Images of one task.

    Attributes:
        base: `(n, E)` float32, unit norm.
        places: `(n,)`, the camera's location.
    """

    base: NDArray[np.float32]
    places: NDArray[np.str_]


def worlds(folder: Path, seed: int) -> dict[str, World]:
    """Return what the carried encoder sees of each task."""
    backbone, found = load_backbone("demo", None), {}
    for task in TASKS:
        table = rendered(folder / task.name, task, places=PLACES, images=IMAGES, seed=seed)
        with table.open(newline="", encoding="utf-8") as file:
            places = np.array([row["location"] for row in csv.DictReader(file)])
        found[task.name] = World(encoded(table, task, backbone).base, places)
    return found


def strange(familiar: Familiar, base: NDArray[np.float32]) -> bool:
    """Say whether an archive of these images is warned of."""
    return Strangeness(len(base), int((familiar.distances(base) > 1).sum())).is_strange


def measured(seen: Mapping[str, World], *, places: int, draws: int, seed: int) -> dict[str, object]:
    """Return the share of archives that were warned of, by what a pack learned from."""
    rng = np.random.default_rng(seed)
    result: dict[str, object] = {}
    for name, world in seen.items():
        like: list[bool] = []
        unlike: dict[str, list[bool]] = {other: [] for other in seen if other != name}
        for _ in range(draws):
            order = rng.permutation(np.unique(world.places)).tolist()
            own = np.isin(world.places, order[:places])
            whence = Whence(world.places[own].tolist(), [True] * int(own.sum()))
            familiar = Familiar.of([router_row(name, world.base[own], whence=whence)])
            if familiar is None:
                raise ValueError("two places or more are needed")
            like += [strange(familiar, world.base[world.places == p]) for p in order[places:]]
            for other, warned in unlike.items():
                warned.append(strange(familiar, seen[other].base))
        result[name] = {
            "places that were left": round(float(np.mean(like)), 3),
            **{other: round(float(np.mean(warned)), 3) for other, warned in unlike.items()},
        }
    return result


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description="Warnings of archives unlike a training.")
    parser.add_argument("--places", type=int, default=6, help="to learn from, 2 to 9")
    parser.add_argument("--draws", type=int, default=12, help="of places, for each task")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON to be written")
    asked = parser.parse_args()
    if not 2 <= asked.places < len(PLACES) or asked.draws < 1:
        parser.error(f"--places: 2 to {len(PLACES) - 1}; --draws: 1 or more")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        seen = worlds(Path(folder), asked.seed)
    warned = measured(seen, places=asked.places, draws=asked.draws, seed=asked.seed)
    settings = {"places": asked.places, "draws": asked.draws, "seed": asked.seed}
    show_and_keep(asked.out, "strangeness", settings, {"warned": warned})


if __name__ == "__main__":
    main()
