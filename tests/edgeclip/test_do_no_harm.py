"""`--method auto` on images that teach nothing, or next to nothing: it must do no harm."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.folds import plan_folds
from edgeclip.kinds import AUTO
from edgeclip.ladder import Step
from edgeclip.learning import Learned, Lesson, learn
from edgeclip.methods import Base
from edgeclip.parts import PartData
from edgeclip.progress import Bars
from edgeclip.workbench import Workbench
from support.parts import Seen, part_of
from support.tiny_packs import EMBED_DIM, WIDTH

NAMES = ("leopard", "blank")
RECIPE = Recipe(steps=20, batch=64, learning_rate=0.01, views=1, reduction=4)


SEEDS = range(5)
"""The first five, whatever comes of them: none was chosen, and each rule must hold for all."""


def _part(base: Base, *, seed: int, skill: float, gain: float, places: int = 8) -> PartData:
    """Return images at places; their features tell the class by `skill` along the prompts.

    Args:
        base: Its class matrix says where the prompts point.
        seed: Of all that is drawn.
        skill: How far the classes lie apart in the direction that zero-shot looks along.
        gain: How far in another direction, which only training can find.
    """
    rng = np.random.default_rng(seed)
    columns = np.asarray(base.start.columns)
    weights = base.start.weights.numpy()
    along = weights[:, columns == 0].mean(1) - weights[:, columns == 1].mean(1)
    along /= np.linalg.norm(along)
    across = rng.normal(size=EMBED_DIM)
    across -= along * (across @ along)
    across /= np.linalg.norm(across)
    seen = []
    for number in range(places * 10):
        label = number // places % 2
        sign = 1 - 2 * label
        f = rng.normal(0, 0.3, EMBED_DIM) + sign * (skill * along + gain * across)
        seen.append(Seen(NAMES[label], f"P{number % places}", tuple(f.tolist())))
    part = part_of(seen, NAMES)
    z = rng.normal(size=(len(part.regions), WIDTH)).astype(np.float32)
    return PartData(part.images, part.regions, Features(z, part.features.f), NAMES)


def _learned(base: Base, part: PartData, method: str = AUTO) -> Learned:
    folds = plan_folds(part, [0], [], 4)
    columns = base.start.columns.tolist()
    lesson = Lesson(part, folds, columns, [0])
    return learn(method, Workbench(base, part.training_rows(), RECIPE), lesson, Bars(quiet=True))


def _kept(learned: Learned) -> Step:
    """Return what was kept, after checking that the table and the pack agree on it."""
    step = learned.ladder.chosen
    assert learned.choice.kept_zero_shot == (step.entry.name == "zero-shot")
    assert learned.trained_parameters == (step.entry.parameters if step.entry.rung != "S0" else 0)
    return step


def _gains(learned: Learned) -> list[Step]:
    """Return what was better than the floor by its mean, certain or not."""
    steps = [step for step in learned.ladder.steps if step.difference]
    return [s for s in steps if s.difference and s.difference.interval.estimate > 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_invariant_37_labels_that_are_noise_leave_nothing_trained(base: Base, seed: int) -> None:
    """A closed form may win by a hair, being chosen on the images that it is judged by.

    Where no mean is above the floor, the floor stays, with nothing beside it.
    """
    learned = _learned(base, _part(base, seed=seed, skill=0.0, gain=0.0))
    kept = _kept(learned)
    assert not kept.entry.is_trained
    assert kept.difference is None or 0 < kept.difference.interval.estimate < 0.02
    if not _gains(learned):
        assert kept.entry.name == "zero-shot"
        assert learned.choice.chosen.parts == []


@pytest.mark.parametrize("seed", SEEDS)
def test_invariant_37_a_gain_that_crosses_0_gives_zero_shot_or_a_pack_without_gradient_steps(
    base: Base, seed: int
) -> None:
    learned = _learned(base, _part(base, seed=seed, skill=0.25, gain=0.15))
    trained = [step for step in learned.ladder.steps if step.entry.is_trained]
    assert not any(step.difference and step.difference.is_better for step in trained)
    kept = _kept(learned)
    assert (kept.entry.is_trained, learned.steps(RECIPE)) == (False, 0)


def test_a_method_that_was_named_is_kept_where_it_is_better_by_its_mean(base: Base) -> None:
    better = []
    for seed in SEEDS:
        learned = _learned(base, _part(base, seed=seed, skill=0.25, gain=0.15), "head")
        if _gains(learned):
            better.append(_kept(learned))
    assert {step.entry.name for step in better} == {"head"}
    assert not any(step.difference and step.difference.is_better for step in better)
