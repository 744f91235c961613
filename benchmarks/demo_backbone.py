"""Measure the carried backbone on new locations: by name, and after a few hundred images.

    python -m benchmarks.demo_backbone

The leopard is held out of the backbone's training, name and pixels: zero-shot cannot know it, a
linear probe on the frozen features can. The difference is what an adapter is for.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.views import TRAINING_LABELS, View, sample_views

RESULTS = Path(__file__).parent / "results/demo_backbone.json"
HELD_OUT = "leopard"
OTHER = "other"
_PLACES = 24  # locations in each of the three sets, none in the backbone's training
_ZERO_SHOT, _TEACH, _TEST = 200_000, 300_000, 310_000  # their first locations
_TEMPLATES = ("a photo of a {}", "a camera trap photo of a {}", "an infrared night photo of a {}")
_BLANK_PROMPTS = ("an empty scene, no animal", "a blank camera trap photo", "grass and bushes")
_DESCRIPTION = "spotted big cat"

Features = NDArray[np.float32]


def prompts_of(noun: str) -> list[str]:
    """Return the sentences for a class name."""
    return list(_BLANK_PROMPTS) if noun == BLANK else [t.format(noun) for t in _TEMPLATES]


def features_of(backbone: Backbone, views: list[View]) -> Features:
    """Return unit features `(N, E)` float32."""
    rows = []
    for start in range(0, len(views), 128):
        pixels = np.stack([view.pixels for view in views[start : start + 128]])
        rows.append(backbone.embed_images(pixels)[1].numpy())
    stacked = np.concatenate(rows)
    return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True), np.float32)


def zero_shot_accuracy(
    backbone: Backbone, places: int = _PLACES, scenes: int = 30
) -> dict[str, float]:
    """Return top-1 over blank and all trained species at new locations, by name.

    Args:
        backbone: What is measured.
        places: How many locations.
        scenes: How many random scenes a location.
    """
    views = [
        view
        for place in range(_ZERO_SHOT, _ZERO_SHOT + places)
        for view in sample_views(place, scenes, backbone.preprocess)
    ]
    text = backbone.embed_prompts([prompts_of(label) for label in TRAINING_LABELS]).numpy()
    guessed = (features_of(backbone, views) @ text.T).argmax(1)
    right = np.array(
        [TRAINING_LABELS[k] == view.label for k, view in zip(guessed, views, strict=True)]
    )
    is_crop = np.array([view.is_crop for view in views])
    return {
        "chance": round(1 / len(TRAINING_LABELS), 3),
        "frames_top1": round(float(right[~is_crop].mean()), 3),
        "crops_top1": round(float(right[is_crop].mean()), 3),
        "images": len(views),
    }


def three_way(backbone: Backbone, first_place: int, places: int) -> tuple[list[View], list[str]]:
    """Return views of leopards, blanks and other animals, and their classes."""
    others = [name for name in TRAINING_LABELS if name != BLANK]
    views: list[View] = []
    for place in range(first_place, first_place + places):
        for labels, count in (((HELD_OUT,), 3), ((BLANK,), 4), (tuple(others), 5)):
            views += sample_views(place, count, backbone.preprocess, labels)
    classes = [v.label if v.label in (HELD_OUT, BLANK) else OTHER for v in views]
    return views, classes


def leopard_scores(backbone: Backbone, places: int = _PLACES) -> dict[str, dict[str, float]]:
    """Return F1 of the leopard at new locations, by name, by description and by probe.

    Args:
        backbone: What is measured.
        places: How many locations teach, and how many others test.
    """
    taught, taught_classes = three_way(backbone, _TEACH, places)
    tested, tested_classes = three_way(backbone, _TEST, places)
    known, unknown = features_of(backbone, taught), features_of(backbone, tested)
    probe = LogisticRegression(C=30.0, max_iter=2000).fit(known, taught_classes)
    guesses = {
        "zero_shot_by_name": _by_prompts(backbone, unknown, HELD_OUT),
        "zero_shot_by_description": _by_prompts(backbone, unknown, _DESCRIPTION),
        "linear_probe": probe.predict(unknown).tolist(),
    }
    truth, is_crop = np.array(tested_classes), np.array([view.is_crop for view in tested])
    scores: dict[str, dict[str, float]] = {"images": {"taught": len(taught), "tested": len(tested)}}
    for name, guess in guesses.items():
        scores[name] = {
            "frames_f1": _f1(truth[~is_crop], np.array(guess)[~is_crop]),
            "crops_f1": _f1(truth[is_crop], np.array(guess)[is_crop]),
        }
    return scores


def _f1(truth: NDArray[np.str_], guess: NDArray[np.str_]) -> float:
    return round(float(f1_score(truth == HELD_OUT, guess == HELD_OUT)), 3)


def _by_prompts(backbone: Backbone, features: Features, noun: str) -> list[str]:
    """Return classes by the nearest prompt; each other species has a prompt of its own."""
    others = [name for name in TRAINING_LABELS if name != BLANK]
    text = backbone.embed_prompts([prompts_of(n) for n in (noun, BLANK, *others)]).numpy()
    nearest = (features @ text.T).argmax(1)
    return [(HELD_OUT, BLANK, OTHER)[min(int(k), 2)] for k in nearest]


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default=DEMO)
    parser.add_argument("--pretrained", default=None, help="checkpoint of another backbone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    backbone = load_backbone(given.backbone, given.pretrained)
    results = {
        "command": "python -m benchmarks.demo_backbone",
        "weights_sha256": backbone.base.weights_sha256,
        "zero_shot": zero_shot_accuracy(backbone),
        "leopard": leopard_scores(backbone),
    }
    text = json.dumps(results, indent=1)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
