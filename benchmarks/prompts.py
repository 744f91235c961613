"""Measure soft prompts, adapters, and both trained together, over 1 to 32 labels a class.

    python -m benchmarks.prompts [--seeds 5] [--quick]

Leopard, other animals and blank on rendered scenes, the leopard held out of the backbone's
training. A label is a labelled image: its frame, and the crop of the animal where there is one. No
label is used beyond those that teach: the leopard is decided where its probability is at least one
half, and nothing is tuned. Test images are of other locations.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks._prompts_data import CLASSES, VIEWS, Images, look_at
from benchmarks.demo_backbone import HELD_OUT, OTHER
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph, run_head
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.config import Recipe
from edgeclip.evaluation.bootstrap import paired_difference
from edgeclip.evaluation.metrics import average_precision, f1
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.prompts import class_prompts, column_class
from edgeclip.text_side import TextSide

RESULTS = Path(__file__).parent / "results/prompts.json"
SHOTS = (1, 2, 4, 8, 16, 32)
METHODS: Mapping[str, str] = {
    "prompts only": "prompt", "adapters only": "visual", "both": "visual+prompt",
}  # fmt: skip
_TEACH, _TEST = 300_000, 320_000  # their first locations
_DECIDED = 0.5

Curve = Sequence[float]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """What all fits share.

    Attributes:
        base: The zero-shot start.
        columns: The class of each column.
        teach: Labels are drawn from these.
        test: Of other locations.
        steps: Of a fit.
    """

    base: Base
    columns: list[int]
    teach: Images
    test: Images
    steps: int

    def probability(self, method: str, shots: int, seed: int) -> Floats:
        """Return the probability of the leopard on the test rows, `(n,)`."""
        recipe = Recipe(steps=self.steps, seed=seed)
        model = fitted(parse_method(method), self.base, self.teach.drawn(shots, seed), recipe)
        tensors, seen = model.pack_tensors(), self.test.features
        rows = run_head(seen.z, seen.f, tensors).probabilities.numpy()
        return np.asarray(rows[:, np.asarray(self.columns) == 0].sum(1), np.float32)


def trial_of(backbone: Backbone, places: int, steps: int) -> Trial:
    """Return a trial on `places` locations that teach and as many others that test."""
    names = [name if name != OTHER else "animal" for name in CLASSES]
    prompts = class_prompts(names, {})
    side, columns = TextSide(backbone, prompts), column_class(prompts)
    start = ZeroShot.of(backbone.embed_prompts(side.columns), columns, backbone.logit_scale)
    teach = look_at(backbone, _TEACH, places, views=VIEWS)
    test = look_at(backbone, _TEST, places)
    return Trial(Base(start, FeatureGraph(), text=side), columns, teach, test, steps)


@dataclass(frozen=True)
class Found:
    """Probabilities of one method at one number of labels, a row a seed.

    Attributes:
        rows: `(seeds, n)`.
        cpu_s: Of a fit.
    """

    rows: Floats
    cpu_s: float

    def by_seed(self, test: Images) -> dict[str, list[float]]:
        """Return F1 and average precision of each seed."""
        once = np.ones((1, len(test.classes)))
        return {
            "f1": [float(f1(row >= _DECIDED, test.is_target, once)[0]) for row in self.rows],
            "ap": [float(average_precision(row, test.is_target, once)[0]) for row in self.rows],
        }

    def against(self, other: Found, test: Images) -> list[float]:
        """Return by how much F1 is above another's, and its 95 % interval over locations."""
        seeds = len(self.rows)
        own = paired_difference(
            self.rows.ravel() >= _DECIDED,
            other.rows.ravel() >= _DECIDED,
            np.tile(test.is_target, seeds),
            list(test.locations) * seeds,
        ).interval
        return [round(value, 3) for value in (own.estimate, own.low, own.high)]


def measured(trial: Trial, method: str, shots: int, seeds: int) -> Found:
    """Return a method's probabilities with seeds 1 to `seeds`."""
    began = time.process_time()
    rows = [trial.probability(method, shots, seed) for seed in range(1, seeds + 1)]
    return Found(np.stack(rows), round((time.process_time() - began) / seeds, 2))


def labels_for(wanted: float, shots: Sequence[int], curve: Curve) -> float | None:
    """Return how many labels a class reach a figure, between two numbers by their logarithms.

    Args:
        wanted: The figure.
        shots: Ascending.
        curve: The figure at each.

    Returns:
        The first crossing; the least number where that is above already; None if none reaches it.
    """
    for index, value in enumerate(curve):
        if value < wanted:
            continue
        if index == 0:
            return float(shots[0])
        low, high = (math.log2(shots[index + step]) for step in (-1, 0))
        share = (wanted - curve[index - 1]) / (value - curve[index - 1])
        return round(float(2 ** (low + share * (high - low))), 1)
    return None


def report(
    trial: Trial, found: Mapping[tuple[str, int], Found], shots: Sequence[int]
) -> dict[str, object]:
    """Return all figures as they are written."""
    figures: dict[str, object] = {}
    curves: dict[str, Curve] = {}
    for name in METHODS:
        seeds = [found[name, count].by_seed(trial.test) for count in shots]
        curves[name] = [statistics.fmean(own["f1"]) for own in seeds]
        figures[name] = {
            "f1": [round(value, 3) for value in curves[name]],
            "f1_deviation": [round(_deviation(own["f1"]), 3) for own in seeds],
            "ap": [round(statistics.fmean(own["ap"]), 3) for own in seeds],
            "cpu_s_a_fit": [found[name, count].cpu_s for count in shots],
        }
    singles = [name for name in METHODS if name != "both"]
    reached = {
        f"{wanted:.3f}, that of {name} at {count}": {
            other: labels_for(wanted, shots, curve) for other, curve in curves.items()
        }
        for name in METHODS
        for count, wanted in zip(shots[-3:], curves[name][-3:], strict=True)
    }
    return {
        "methods": figures,
        "both_minus_f1": {
            name: [found["both", n].against(found[name, n], trial.test) for n in shots]
            for name in singles
        },
        "labels_a_class_for_f1": reached,
    }  # fmt: skip


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def tables(results: Mapping[str, object], shots: Sequence[int]) -> list[Table]:
    """Return the curves, and how many labels reach the same F1."""
    methods: Mapping[str, Mapping[str, Curve]] = results["methods"]  # type: ignore[assignment]
    curves = Table(
        "labels a class", *map(str, shots), title=f"F1 of {HELD_OUT} (average precision)"
    )
    for name, own in methods.items():
        pairs = zip(own["f1"], own["ap"], strict=True)
        curves.add_row(name, *(f"{value:.3f} ({ap:.3f})" for value, ap in pairs))
    needed = Table("F1", *METHODS, title="labels a class that reach it")
    reached: Mapping[str, Mapping[str, float | None]] = results["labels_a_class_for_f1"]  # type: ignore[assignment]
    for wanted, each in reached.items():
        needed.add_row(wanted, *("not reached" if n is None else f"{n:g}" for n in each.values()))
    return [curves, needed]


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default=DEMO)
    parser.add_argument("--pretrained", default=None, help="checkpoint of another backbone")
    parser.add_argument("--places", type=int, default=24, help="that teach, and that test")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="1 and 2 labels, one seed, 10 steps")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.quick:
        given.places, given.seeds, given.steps = 2, 1, 10
    shots = SHOTS[:2] if given.quick else SHOTS
    torch.set_num_threads(1)
    backbone = load_backbone(given.backbone, given.pretrained)
    trial = trial_of(backbone, given.places, given.steps)
    found: dict[tuple[str, int], Found] = {}
    for count in shots:
        for name, method in METHODS.items():
            found[name, count] = measured(trial, method, count, given.seeds)
            print(count, name, found[name, count].by_seed(trial.test), flush=True)
    results = {
        "command": "python -m benchmarks.prompts",
        "weights_sha256": backbone.base.weights_sha256,
        "labels_a_class": shots,
        "seeds": given.seeds,
        "steps": given.steps,
        "test_rows": len(trial.test.classes),
        "decided_at": _DECIDED,
        "figures": "means over seeds; differences: estimate, low, high of 95 % over locations",
        **report(trial, found, shots),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for table in tables(results, shots):
        Console().print(table)


if __name__ == "__main__":
    main()
