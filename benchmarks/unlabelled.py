"""What frames without labels give a fit: consistency with zero-shot, and pseudo-labels.

    python -m benchmarks.unlabelled [--seeds 8] [--out FILE]

Rendered scenes of four species and blanks; the leopard is held out of the demo backbone. Labelled
are 4 to 32 images a class at some cameras; 150 frames of other cameras have no labels, and others
of these same cameras, of other bursts, are tested, once, after all was decided. Per method: what it
gives without the frames, with them in the term of consistency, and with pseudo-labels beside it,
which the prompts are sure of at a probability of 0.95, calibrated on the labelled images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import AdapterModel, FeatureGraph, run_head
from edgeclip.beside import NONE, Beside, pseudo_classes
from edgeclip.clip import Backbone, load_backbone
from edgeclip.config import Recipe
from edgeclip.contract.files import write_text
from edgeclip.contract.postprocess import class_probabilities
from edgeclip.contract.preprocess import prepare
from edgeclip.features import Features
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.prompts import class_prompts, column_class
from edgeclip.scenes.image_sets import ImageSetPlan, frames
from edgeclip.text_side import TextSide
from edgeclip.training import TrainingRows

RESULTS = Path(__file__).parent / "results/unlabelled.json"
CLASSES = ("leopard", "zebra", "impala", "warthog", "blank")
METHODS = ("head", "visual+head")
SHOTS = (4, 8, 16, 32)
SURE = 0.95
VARIANTS: Mapping[str, tuple[bool, float | None]] = {
    "without": (False, None), "consistency": (True, None), "pseudo-labels": (True, SURE),
}  # fmt: skip
"""By name: whether frames are beside the rows, and how sure a pseudo-label is."""

_LABELLED, _TARGET, _PLACES = 430_000, 440_000, 10  # first locations, none of the backbone's
_STEPS = 300  # the recipe's own


@dataclass(frozen=True)
class Seen:
    """Encoded scenes.

    Attributes:
        features: Of n whole frames.
        classes: `(n,)` int64.
        places: n names.
    """

    features: Features
    classes: NDArray[np.int64]
    places: Sequence[str]


def seen(backbone: Backbone, images: int, *, seed: int, first: int) -> Seen:
    """Return `images` scenes of each class, as the encoder sees them."""
    plan = ImageSetPlan(
        dict.fromkeys(CLASSES, images), _PLACES, seed=seed, first_location=first, strip=False
    )
    pixels, classes, places = [], [], []
    for number, label in enumerate(CLASSES):
        for frame in frames(plan, label):
            pixels.append(prepare(frame.scene.image, backbone.preprocess))
            classes.append(number)
            places.append(str(frame.spec.location))
    parts = [backbone.embed_images(np.stack(pixels[i : i + 64])) for i in range(0, len(pixels), 64)]
    z, f = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return Seen(Features(z, f), np.asarray(classes, np.int64), places)


def drawn(labelled: Seen, shots: int, seed: int) -> TrainingRows:
    """Return some images of each class."""
    rng = np.random.default_rng([seed, shots])
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(labelled.classes == number), shots, replace=False)
            for number in range(len(CLASSES))
        ]
    )
    features = labelled.features.rows(chosen.tolist())
    places = [labelled.places[int(row)] for row in chosen]
    return TrainingRows(features, labelled.classes[chosen], places, np.arange(len(chosen)))


def macro_f1(model: AdapterModel, test: Seen, columns: Sequence[int]) -> float:
    """Return the mean F1 of the classes, each image called the likeliest."""
    found = run_head(test.features.z, test.features.f, model.pack_tensors()).probabilities.numpy()
    guessed = class_probabilities(found, columns, len(CLASSES)).argmax(axis=1)
    return float(f1_score(test.classes, guessed, average="macro", zero_division=0))


def measured(seeds: int) -> dict[str, Any]:
    """Return macro-F1 of every fit, and what pseudo-labels were worth."""
    backbone = load_backbone("demo")
    prompts = class_prompts(CLASSES, {})
    side, columns = TextSide(backbone, prompts), column_class(prompts)
    start = ZeroShot.of(backbone.embed_prompts(side.columns), columns, backbone.logit_scale)
    base = Base(start, FeatureGraph(), text=side)
    labelled = seen(backbone, 60, seed=1, first=_LABELLED)
    target = seen(backbone, 30, seed=2, first=_TARGET)
    test = seen(backbone, 60, seed=3, first=_TARGET)
    beside = Beside(target.features)
    fits: list[dict[str, Any]] = []
    said: list[dict[str, float]] = []
    for shots in SHOTS:
        for seed in range(seeds):
            rows = replace(drawn(labelled, shots, seed), beside=beside)
            sure = pseudo_classes(AdapterModel(start, ()), rows, SURE)
            right = (sure == target.classes)[sure != NONE]
            said.append({
                "shots": shots, "seed": seed, "pseudo_labels": int((sure != NONE).sum()),
                "right": round(float(right.mean()), 3) if len(right) else 0.0,
            })  # fmt: skip
            for method in METHODS:
                found = {}
                for name, (taken, least) in VARIANTS.items():
                    recipe = Recipe(steps=_STEPS, seed=seed + 1, pseudo_labels=least)
                    own = rows if taken else replace(rows, beside=None)
                    model = fitted(parse_method(method), base, own, recipe)
                    found[name] = round(macro_f1(model, test, columns), 4)
                fits.append({"shots": shots, "seed": seed, "method": method, **found})
    zero_shot = round(macro_f1(AdapterModel(start, ()), test, columns), 4)
    return {"zero_shot": zero_shot, "frames": len(target.classes), "pseudo": said, "fits": fits}


def summary(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a method and number of shots: means over seeds, and the paired differences."""
    rows = []
    for method in METHODS:
        for shots in SHOTS:
            own = [f for f in found["fits"] if (f["method"], f["shots"]) == (method, shots)]
            said = [s for s in found["pseudo"] if s["shots"] == shots]
            row: dict[str, Any] = {"method": method, "shots": shots}
            for name in VARIANTS:
                gains = np.array([fit[name] - fit["without"] for fit in own])
                row[name] = round(float(np.mean([fit[name] for fit in own])), 3)
                row[f"{name}_gain"] = round(float(gains.mean()), 3)
                row[f"{name}_gain_se"] = round(float(gains.std(ddof=1) / len(own) ** 0.5), 3)
            row["pseudo_labels"] = round(float(np.mean([s["pseudo_labels"] for s in said])), 1)
            row["pseudo_right"] = round(float(np.mean([s["right"] for s in said])), 3)
            rows.append(row)
    return rows


def main() -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description="What frames without labels give a fit.")
    parser.add_argument("--seeds", type=int, default=8, help="draws of labelled images, >= 2")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to be written")
    asked = parser.parse_args()
    if asked.seeds < 2:
        parser.error("--seeds: a spread needs at least 2")
    torch.set_num_threads(1)
    found = measured(asked.seeds)
    rows = summary(found)
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=220).print(f"zero-shot {found['zero_shot']}", table)
    write_text(asked.out, json.dumps({"summary": rows, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
