"""Measure what text gives: cross-modal attention, prompts and text adapters, on new locations.

    python -m benchmarks.ablation_text

Leopard, other animals and blank on rendered scenes; the leopard is held out of the backbone's
training. Taught, thresholds and tests are on different locations. Tokens without a meaning stand
beside the text at equal parameters; if they score alike, the text gave nothing but parameters.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.demo_backbone import HELD_OUT, OTHER, three_way
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph, run_head
from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.config import Recipe
from edgeclip.evaluation.bootstrap import (
    Difference,
    Interval,
    bootstrap_interval,
    paired_difference,
)
from edgeclip.evaluation.metrics import average_precision, f1
from edgeclip.features import Features
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.prompts import class_prompts, column_class
from edgeclip.scenes.species import BLANK
from edgeclip.text_side import TextSide
from edgeclip.thresholds import choose_thresholds
from edgeclip.training import TrainingRows

RESULTS = Path(__file__).parent / "results/ablation_text.json"
NAMES = (HELD_OUT, "animal", BLANK)
_TEACH, _THRESHOLDS, _TEST = 300_000, 305_000, 320_000  # their first locations
_ATTENTION = 16  # with it, xmodal has the parameters of a visual adapter at reduction 4
_FLOOR = "visual, twice as wide"
VARIANTS: Mapping[str, tuple[str, dict[str, object]]] = {
    "visual": ("visual", {}),
    _FLOOR: ("visual", {"reduction": 2}),
    "visual + xmodal, text": ("visual+xmodal", {}),
    "visual + xmodal, random": ("visual+xmodal", {"xmodal": "random"}),
    "visual + xmodal, shuffled": ("visual+xmodal", {"xmodal": "shuffled"}),
    "xmodal, text": ("xmodal", {}),
    "xmodal, random": ("xmodal", {"xmodal": "random"}),
    "prompt": ("prompt", {}),
    "visual + prompt": ("visual+prompt", {}),
    "text": ("text", {}),
    "text_block": ("text_block", {}),
    "visual + xmodal + prompt": ("visual+xmodal+prompt", {}),
}


@dataclass(frozen=True)
class Place:
    """Views of some locations as the encoder sees them.

    Attributes:
        features: Of n views.
        classes: `(n,)` int64: leopard, other animal, blank.
        locations: n names.
    """

    features: Features
    classes: NDArray[np.int64]
    locations: list[str]

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Where the leopard is."""
        return np.asarray(self.classes == 0)

    def some(self, each: int, seed: int) -> TrainingRows:
        """Return rows to fit to: `each` views a class, or all of fewer."""
        rng = np.random.default_rng(seed)
        drawn = [rng.permutation(np.flatnonzero(self.classes == c))[:each] for c in range(3)]
        chosen = np.sort(np.concatenate(drawn))
        rows = TrainingRows(
            self.features, self.classes, self.locations, np.arange(len(self.classes))
        )
        return rows.chosen(chosen)


def look_at(backbone: Backbone, first: int, count: int) -> Place:
    """Return the views of `count` locations from `first` on."""
    z, f, classes, locations = [], [], [], []
    for place in range(first, first + count):
        views, names = three_way(backbone, place, 1)
        own = backbone.embed_images(np.stack([view.pixels for view in views]))
        z.append(own[0].numpy())
        f.append(own[1].numpy())
        classes += [(HELD_OUT, OTHER, BLANK).index(name) for name in names]
        locations += [str(place)] * len(names)
    features = Features(np.concatenate(z), np.concatenate(f))
    return Place(features, np.asarray(classes, np.int64), locations)


def leopard_probability(
    tensors: Mapping[str, NDArray[np.float32]], place: Place, columns: list[int]
) -> NDArray[np.float32]:
    """Return the probability of the leopard, `(n,)`."""
    rows = run_head(place.features.z, place.features.f, tensors).probabilities.numpy()
    return np.asarray(rows[:, np.asarray(columns) == 0].sum(1), np.float32)


class Trial:
    """What all variants share."""

    def __init__(self, backbone: Backbone, given: argparse.Namespace) -> None:
        prompts = class_prompts(NAMES, {})
        self.columns = column_class(prompts)
        side = TextSide(backbone, prompts)
        text = backbone.embed_prompts(side.columns)
        start = ZeroShot.of(text, self.columns, backbone.logit_scale)
        self.base = Base(start, FeatureGraph(), text=side)
        self.teach = look_at(backbone, _TEACH, given.places)
        self.thresholds = look_at(backbone, _THRESHOLDS, max(given.places // 3, 1))
        self.test = look_at(backbone, _TEST, given.places)
        self.given = given

    def run(self, method: str, changes: Mapping[str, object], each: int) -> dict[str, object]:
        """Return probabilities on the test and the decisions, means over the seeds."""
        own: list[NDArray[np.float32]] = []
        known: list[NDArray[np.float32]] = []
        count, began = 0, time.process_time()
        for seed in range(1, self.given.seeds + 1):
            usual: dict[str, object] = {
                "steps": self.given.steps, "attention": _ATTENTION, "seed": seed,
            }  # fmt: skip
            recipe = Recipe.model_validate({**usual, **changes})
            model = fitted(parse_method(method), self.base, self.teach.some(each, seed), recipe)
            tensors = model.pack_tensors()
            own.append(leopard_probability(tensors, self.test, self.columns))
            known.append(leopard_probability(tensors, self.thresholds, self.columns))
            count = sum(parameter.numel() for parameter in model.parameters())
        fit_s = (time.process_time() - began) / self.given.seeds
        calls = [
            p >= choose_thresholds(k, self.thresholds.is_target).on
            for p, k in zip(own, known, strict=True)
        ]
        return {"parameters": count, "cpu_s": round(fit_s, 1), "own": own, "calls": calls}


def figures(
    trial: Trial, found: Mapping[str, object], floor: Mapping[str, object]
) -> dict[str, object]:
    """Return AP and F1, means over seeds; and AP against the floor, all seeds' images together."""
    truth, places = trial.test.is_target, trial.test.locations

    def together(of: Mapping[str, object], key: str) -> NDArray[np.float32]:
        return np.concatenate(of[key])  # type: ignore[call-overload, no-any-return]

    seeds = trial.given.seeds
    truths, locations = np.tile(truth, seeds), places * seeds
    own = found["own"]
    each = [_ap(rows, truth, places) for rows in own]  # type: ignore[attr-defined]
    calls = together(found, "calls")
    against = paired_difference(
        together(found, "own"), together(floor, "own"), truths, locations, metric=average_precision
    )
    return {
        "parameters": found["parameters"],
        "cpu_s_a_fit": found["cpu_s"],
        "ap": _round(bootstrap_interval(together(found, "own"), truths, locations,
                                        metric=average_precision)),
        "ap_by_seed": [round(value, 3) for value in each],
        "f1": _round(bootstrap_interval(calls, truths, locations, metric=f1)),
        f"ap - '{_FLOOR}'": _difference(against),
    }  # fmt: skip


def _ap(rows: NDArray[np.float32], truth: NDArray[np.bool_], places: list[str]) -> float:
    return bootstrap_interval(rows, truth, places, metric=average_precision, resamples=1).estimate


def _round(interval: Interval) -> list[float]:
    return [round(value, 3) for value in (interval.estimate, interval.low, interval.high)]


def _difference(difference: Difference) -> list[float]:
    own = difference.interval
    return [round(value, 3) for value in (own.estimate, own.low, own.high)]


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default=DEMO)
    parser.add_argument("--pretrained", default=None, help="checkpoint of another backbone")
    parser.add_argument("--places", type=int, default=24, help="that teach, and that test")
    parser.add_argument("--each", type=int, nargs="+", default=[10, 40], help="views a class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    backbone = load_backbone(given.backbone, given.pretrained)
    trial = Trial(backbone, given)
    results: dict[str, object] = {
        "command": "python -m benchmarks.ablation_text",
        "weights_sha256": backbone.base.weights_sha256,
        "images": {"taught": len(trial.teach.classes), "tested": len(trial.test.classes)},
        "figures": "estimate, low, high of 95 % over locations",
    }
    zero_shot = trial.run("zero-shot", {"steps": 0}, 1)
    for each in given.each:
        floor = trial.run(*VARIANTS[_FLOOR], each)
        rows = {"zero-shot": figures(trial, zero_shot, floor)}
        for name, (method, changes) in VARIANTS.items():
            found = floor if name == _FLOOR else trial.run(method, changes, each)
            rows[name] = figures(trial, found, floor)
            print(each, name, json.dumps(rows[name]), flush=True)
        results[f"{each} views a class"] = rows
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
