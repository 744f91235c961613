"""What every method with gradient steps must learn, and what none may learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.running import run_graph
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.makers import MAKERS
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.training import TrainingRows, inputs_of
from support.tiny_packs import EMBED_DIM, WIDTH

ON_FEATURES = [n for n, maker in MAKERS.items() if maker.trained and maker.level == "features"]
LEARNS_ANYTHING = [name for name in ON_FEATURES if name != "prompt"]
"""Soft prompts are shared by the classes: here four vectors through a tiny text tower."""


def _rows(base: Base, labels: NDArray[np.int64], seed: int, places: int = 1) -> TrainingRows:
    """Return images whose features say nothing of their labels."""
    rng = np.random.default_rng(seed)
    assert base.tower is not None
    z = rng.normal(size=(len(labels), WIDTH)).astype(np.float32)
    f = rng.normal(size=(len(labels), EMBED_DIM)).astype(np.float32)
    names = [f"P{number % places}" for number in range(len(labels))]
    return TrainingRows(Features(z, f), labels, names, np.arange(len(labels)))


def _said(
    name: str, base: Base, fit: TrainingRows, asked: TrainingRows, recipe: Recipe
) -> NDArray[np.int64]:
    """Return the class that a fitted method calls of other rows."""
    model = fitted(parse_method(name), base, fit, recipe)
    inputs = inputs_of(asked.features, np.arange(len(asked.classes)))
    logits = run_graph(model.graph, inputs, model.pack_tensors()).logits.numpy()
    classes: NDArray[np.int64] = base.start.columns.numpy()[logits.argmax(axis=1)]
    return classes


@pytest.mark.parametrize("name", LEARNS_ANYTHING)
def test_invariant_36_sixteen_images_are_learned_in_300_steps_whatever_their_labels(
    base: Base, name: str
) -> None:
    labels = np.random.default_rng(1).permutation(np.arange(16, dtype=np.int64) % 2)
    rows = _rows(base, labels, seed=2)
    recipe = Recipe(
        steps=300, batch=16, learning_rate=0.05, weight_decay=0, kl=0, anchor=0, ema=0.9,
        reduction=1, ratio=1,
    )  # fmt: skip
    np.testing.assert_array_equal(_said(name, base, rows, rows, recipe), labels)


@pytest.mark.parametrize("name", ON_FEATURES)
def test_invariant_36_shuffled_labels_give_images_of_other_places_at_chance(
    base: Base, name: str
) -> None:
    count = 240
    labels = np.random.default_rng(3).permutation(np.arange(count, dtype=np.int64) % 2)
    rows = _rows(base, labels, seed=4, places=4)
    places = np.asarray(rows.locations)
    right = 0
    for place in sorted(set(rows.locations)):
        kept, held = np.flatnonzero(places != place), np.flatnonzero(places == place)
        recipe = Recipe(steps=40, batch=64, learning_rate=0.01, reduction=1)
        said = _said(name, base, rows.chosen(kept), rows.chosen(held), recipe)
        right += int((said == labels[held]).sum())
    assert abs(right / count - 0.5) < 0.1, "3.1 standard deviations"
