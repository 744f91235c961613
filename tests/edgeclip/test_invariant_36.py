"""What every method with gradient steps must learn, and what none may learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.running import run_graph
from edgeclip.config import Recipe
from edgeclip.makers import MAKERS
from edgeclip.methods import fitted, parse_method
from edgeclip.training import TrainingRows, inputs_of
from support.every_kind import EVERY, TRAINED, Bench, make_bench

RATES = {"prompt": 0.02, "stages": 0.003} | dict.fromkeys(
    ("block", "block_xmodal", "pooling", "parallel_mlp", "lora", "svd"), 0.01
)
_MOST_OFF = {240: 0.1, 64: 0.2}  # 3.1 standard deviations of the share that is right by chance


def _said(
    kind: str, bench: Bench, fit: TrainingRows, asked: TrainingRows, recipe: Recipe
) -> NDArray[np.int64]:
    """Return the class that a fitted method calls of other rows."""
    method = parse_method(kind)
    model = fitted(method, bench.base, fit, recipe, setting=MAKERS[kind].settings[-1])
    inputs = inputs_of(asked.features, np.arange(len(asked.classes)))
    logits = run_graph(model.graph, inputs, model.pack_tensors()).logits.numpy()
    columns = bench.base.start.columns.numpy()
    by_class = [np.logaddexp.reduce(logits[:, columns == index], axis=1) for index in range(2)]
    classes: NDArray[np.int64] = np.stack(by_class, axis=1).argmax(axis=1)
    return classes


@pytest.mark.parametrize("kind", TRAINED)
def test_invariant_36_sixteen_images_are_learned_in_300_steps_whatever_their_labels(
    kind: str, tmp_path: Path
) -> None:
    bench = make_bench(MAKERS[kind].level, tmp_path / "tower")
    recipe = Recipe(
        steps=300, batch=16, token_batch=16, learning_rate=RATES.get(kind, 0.05), weight_decay=0,
        kl=0, anchor=0, ema=0.9, reduction=1, ratio=1, block_hidden=16, attention=16, seed=3,
        pooling_attention=24,
    )  # fmt: skip
    np.testing.assert_array_equal(
        _said(kind, bench, bench.rows, bench.rows, recipe), bench.rows.classes
    )


@pytest.mark.parametrize("kind", EVERY)
def test_invariant_36_shuffled_labels_give_images_of_other_places_at_chance(
    kind: str, tmp_path: Path
) -> None:
    level = MAKERS[kind].level
    count = 240 if level == "features" else 64
    bench = make_bench(level, tmp_path / "tower", images=count)
    places = np.asarray(bench.rows.locations)
    right = 0
    for place in sorted(set(places.tolist())):
        kept, held = np.flatnonzero(places != place), np.flatnonzero(places == place)
        recipe = Recipe(steps=40, batch=64, learning_rate=0.01, reduction=1)
        asked = bench.rows.chosen(held)
        said = _said(kind, bench, bench.rows.chosen(kept), asked, recipe)
        right += int((said == asked.classes).sum())
    assert abs(right / count - 0.5) < _MOST_OFF[count]
