"""Measure few-shot methods on precomputed CLIP ViT-B/32 features, and the one recipe of `auto`.

Nothing is tuned on the test or the full validation split: see `_fewshot_methods`. What was found
is kept after each cell, so that an interrupted run goes on: `python -m benchmarks.fewshot`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks._fewshot_auto import AUTO, AUTO_RULE, auto
from benchmarks._fewshot_data import DATA_SETS, SEEDS, SHOTS, folder, task
from benchmarks._fewshot_methods import METHODS as SINGLE
from benchmarks._fewshot_methods import Method

METHODS: dict[str, tuple[Method, str]] = {**SINGLE, AUTO: (auto, AUTO_RULE)}
RESULTS = Path(__file__).parent / "results/fewshot.json"
PUBLISHED = {
    "CLIP-Adapter": (67.87, 70.20, 72.65, 76.92, 79.86),
    "Tip-Adapter": (68.89, 70.42, 72.69, 74.41, 76.44),
    "Tip-Adapter-F": (70.62, 73.08, 75.75, 78.51, 81.15),
    "LP++": (70.35, 72.93, 75.77, 77.94, 80.32),
    "GDA": (69.39, 73.09, 76.24, 79.71, 81.70),
    "ProKeR": (71.32, 73.74, 76.23, 79.84, 82.01),
    "CLIP-SVD": (73.20, 76.06, 78.18, 80.55, 82.97),
}
"""Mean of 11 data sets, ViT-B/16, as the CLIP-SVD README reports them: other data, other means."""

DESIGNED_ON = (
    "the rule of `blend` was designed on images of Caltech and Flowers outside their test split;"
    " Pets and DTD were looked at once, at the end"
)

NOT_DESIGNED_ON = ("oxford_pets", "dtd")

Cell = tuple[str, int, int]
Found = dict[str, dict[str, float]]
"""`data set/shots/seed` -> method -> accuracy on the test images in per cent."""


def measured(cell: Cell, names: tuple[str, ...]) -> dict[str, float]:
    """Return the accuracy in per cent of some methods on one task.

    Args:
        cell: Data set, shots, seed.
        names: Keys of `METHODS`.
    """
    torch.set_num_threads(1)
    drawn = task(*cell)
    found = {}
    for name in names:
        logits = METHODS[name][0](drawn.support, cell[2], drawn.features)
        right = drawn.support.start.columns[logits.argmax(dim=1)] == drawn.truth
        found[name] = 100 * float(right.double().mean())
    return found


def measure_all(
    found: Found, out: Path, names: tuple[str, ...], workers: int
) -> Iterator[tuple[Cell, dict[str, float]]]:
    """Add to what was found whatever of the names is missing; write after each cell."""
    cells = list(itertools.product(DATA_SETS, SHOTS, SEEDS))
    cells.sort(key=lambda cell: (cell[2], cell[1]))
    missing = {
        cell: tuple(name for name in names if name not in found.get(key_of(cell), {}))
        for cell in cells
    }
    todo = [cell for cell in cells if missing[cell]]
    with ProcessPoolExecutor(workers) as pool:
        results = pool.map(measured, todo, [missing[cell] for cell in todo])
        for cell, result in zip(todo, results, strict=True):
            found.setdefault(key_of(cell), {}).update(result)
            write(found, out)
            yield cell, result


def key_of(cell: Cell) -> str:
    """Return the key of a cell in the results."""
    return "/".join(map(str, cell))


@dataclass(frozen=True)
class View:
    """Methods over the seeds for which every cell of all of them was measured.

    Attributes:
        found: All accuracies.
        names: Of the methods.
    """

    found: Found
    names: tuple[str, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that are whole, ascending."""
        return tuple(
            seed
            for seed in SEEDS
            if all(
                set(self.names) <= set(self.found.get(key_of((name, shots, seed)), {}))
                for name, shots in itertools.product(DATA_SETS, SHOTS)
            )
        )

    def mean(self, method: str, shots: int, data_sets: tuple[str, ...] = DATA_SETS) -> float:
        """Return the mean over the seeds, then over data sets, in per cent."""
        return statistics.fmean(
            statistics.fmean(self.found[key_of((name, shots, seed))][method] for seed in self.seeds)
            for name in data_sets
        )

    def lead(self, shots: int, data_sets: tuple[str, ...] = DATA_SETS) -> float:
        """Return by how much `auto` is above the best other on the average over data sets."""
        others = [self.mean(name, shots, data_sets) for name in self.names if name != AUTO]
        return self.mean(AUTO, shots, data_sets) - max(others)

    def least_gain(self, shots: int) -> float:
        """Return the least gain of `auto` over the start among data sets; below 0 is harm."""
        gains = [
            self.mean(AUTO, shots, (name,)) - self.mean("start", shots, (name,))
            for name in DATA_SETS
        ]
        return min(gains)

    def report(self) -> dict[str, object]:
        """Return the means and what `auto` gains, as written to the results."""
        known: dict[str, object] = {"seeds": self.seeds, "shots": SHOTS}
        for key, data_sets in (("", DATA_SETS), ("_not_designed_on", NOT_DESIGNED_ON)):
            known[f"means_percent{key}"] = {
                n: [round(self.mean(n, k, data_sets), 2) for k in SHOTS] for n in self.names
            }
        if AUTO not in self.names:
            return known
        return known | {
            "auto_minus_best_other": [round(self.lead(shots), 2) for shots in SHOTS],
            "auto_minus_best_other_not_designed_on": [
                round(self.lead(shots, NOT_DESIGNED_ON), 2) for shots in SHOTS
            ],
            "auto_minus_start_worst_data_set": [round(self.least_gain(s), 2) for s in SHOTS],
        }

    def tables(self) -> Iterator[Table]:
        """Yield a table of the means, and one a data set."""
        for title, data_sets in (
            ("mean of the data sets", DATA_SETS),
            ("mean of the sets that no rule was designed on", NOT_DESIGNED_ON),
            *((name, (name,)) for name in DATA_SETS),
        ):
            table = _table("method", f"{title}: accuracy in %, seeds {self.seeds}")
            for name in self.names:
                figures = [f"{self.mean(name, shots, data_sets):.2f}" for shots in SHOTS]
                table.add_row(name, *figures, style="bold" if name == AUTO else "")
            yield table


def views(found: Found) -> dict[str, View]:
    """Return what can be compared: with `auto`, and without it where it was not run, by title."""
    known = {"all": View(found, tuple(METHODS)), "single": View(found, tuple(SINGLE))}
    return {title: view for title, view in known.items() if view.seeds}


def write(found: Found, out: Path) -> None:
    """Write all accuracies, and the means over the seeds that are whole."""
    report = {
        "command": "python -m benchmarks.fewshot",
        "labels_seen": "shots x classes, for fitting and for all choices; nothing else",
        "choices": {name: rule for name, (_, rule) in METHODS.items()},
        "designed_on": DESIGNED_ON,
        "not_measured": {"proj": "needs z before the projection, which the features lack"},
        **{title: view.report() for title, view in views(found).items()},
        "accuracy_percent": found,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def published() -> Table:
    """Return the published figures, for orientation."""
    table = _table("published", "other data: mean of 11 sets, ViT-B/16 (CLIP-SVD README)")
    for name, values in PUBLISHED.items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    return table


def _table(first: str, title: str) -> Table:
    return Table(first, *(f"{shots}" for shots in SHOTS), title=title)


def main() -> None:
    """Measure what is missing, print, and write the results.

    Raises:
        SystemExit: The features are not there.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default=None, help="names joined by commas; all by default")
    parser.add_argument("--again", action="store_true", help="forget what was found before")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if not folder().is_dir():
        raise SystemExit(f"no features in {folder()}: set EDGECLIP_CLIP_FEATURES to their folder")
    known = given.out.is_file() and not given.again
    found: Found = json.loads(given.out.read_text())["accuracy_percent"] if known else {}
    names = tuple(given.methods.split(",")) if given.methods else tuple(METHODS)
    if unknown := set(names) - set(METHODS):
        raise SystemExit(f"no method {', '.join(sorted(unknown))}: there are {', '.join(METHODS)}")
    for cell, result in measure_all(found, given.out, names, given.workers):
        print(*cell, {name: round(value, 2) for name, value in result.items()}, flush=True)
    write(found, given.out)
    console = Console()
    for title, view in views(found).items():
        for table in view.tables():
            console.print(table)
        print(
            title,
            json.dumps({key: value for key, value in view.report().items() if "_minus_" in key}),
        )
    console.print(published())


if __name__ == "__main__":
    main()
