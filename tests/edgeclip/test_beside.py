"""What frames without labels do to a fit: consistency, and pseudo-labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Frozen
from edgeclip.adapters.model import AdapterModel, FeatureGraph, run_head
from edgeclip.beside import NONE, Beside, BesideTerm, pseudo_classes
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.losses import divergence
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.training import TrainingRows

WIDTH, EMBED_DIM, FRAMES = 16, 24, 40
RECIPE = Recipe(steps=120, batch=32, learning_rate=0.002, seed=1)


def _features(seed: int, count: int) -> Features:
    rng = np.random.default_rng(seed)
    z, f = (rng.normal(size=(count, w)).astype(np.float32) for w in (WIDTH, EMBED_DIM))
    return Features(z, f)


def _rows(*, beside: bool = True) -> TrainingRows:
    """Random images with labels that follow from nothing, and other random frames beside them."""
    places = [f"P{i % 3}" for i in range(16)]
    classes = np.arange(16, dtype=np.int64) % 2
    rows = TrainingRows(_features(1, 16), classes, places, np.arange(16))
    return replace(rows, beside=Beside(_features(2, FRAMES))) if beside else rows


def _start() -> ZeroShot:
    generator = torch.Generator().manual_seed(7)
    text = normalize(torch.randn(2, EMBED_DIM, generator=generator), dim=1)
    return ZeroShot.of(text, [0, 1], 20.0)


def _logits(model: AdapterModel) -> torch.Tensor:
    frames = _features(2, FRAMES)
    return run_head(frames.z, frames.f, model.pack_tensors(1.0)).logits


def _fitted(rows: TrainingRows, recipe: Recipe = RECIPE) -> AdapterModel:
    return fitted(parse_method("visual+head"), Base(_start(), FeatureGraph()), rows, recipe)


def _from_zero_shot(model: AdapterModel) -> float:
    return float(divergence(_logits(AdapterModel(_start(), ())), _logits(model)).mean())


def test_frames_hold_the_fit_near_zero_shot_where_they_are() -> None:
    recipe = RECIPE.model_copy(update={"kl": 1.0})
    without = _from_zero_shot(_fitted(_rows(beside=False), recipe))
    assert _from_zero_shot(_fitted(_rows(), recipe)) < 0.5 * without


def test_without_consistency_and_pseudo_labels_frames_change_nothing() -> None:
    recipe = RECIPE.model_copy(update={"kl": 0.0})
    ours, theirs = (_fitted(rows, recipe) for rows in (_rows(), _rows(beside=False)))
    assert torch.equal(_logits(ours), _logits(theirs))


def test_the_same_frames_give_the_same_bits() -> None:
    recipe = RECIPE.model_copy(update={"pseudo_labels": 0.6})
    assert torch.equal(_logits(_fitted(_rows(), recipe)), _logits(_fitted(_rows(), recipe)))


def test_pseudo_labels_are_of_the_start_where_it_is_sure() -> None:
    model = AdapterModel(_start(), ())
    found = {least: pseudo_classes(model, _rows(), least) for least in (0.5, 0.55, 0.9, 1.0)}
    likeliest = _logits(model).numpy().argmax(axis=1)
    counts = [int((classes != NONE).sum()) for classes in found.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == FRAMES
    for classes in found.values():
        assert (classes[classes != NONE] == likeliest[classes != NONE]).all()


def test_nobody_is_sure_where_no_bound_is_given() -> None:
    assert (pseudo_classes(AdapterModel(_start(), ()), _rows(), None) == NONE).all()


def test_labels_of_chance_calibrate_to_fewer_pseudo_labels() -> None:
    """A start that is right of its labelled images is believed, one that is not is not."""
    model, rows = AdapterModel(_start(), ()), _rows()
    logits = run_head(rows.features.z, rows.features.f, model.pack_tensors()).logits.numpy()
    right = replace(rows, classes=logits.argmax(axis=1).astype(np.int64))
    sure, doubted = ((pseudo_classes(model, own, 0.9) != NONE).sum() for own in (right, rows))
    assert sure > doubted


def test_an_earlier_pack_is_the_start_that_says_pseudo_labels() -> None:
    swapped = {"class_weights": -2 * _start().weights, "class_bias": torch.zeros(2)}
    before = Frozen("head", {}, swapped, "F0")
    plain, other = (
        pseudo_classes(AdapterModel(_start(), parts), _rows(), 0.5) for parts in ((), (before,))
    )
    assert (plain == 1 - other).all()


def _mean_sure(model: AdapterModel, classes: NDArray[np.int64]) -> float:
    said = torch.log_softmax(_logits(model), dim=1)
    return float(said[torch.arange(FRAMES), torch.from_numpy(classes)].mean())


def test_pseudo_labels_teach() -> None:
    own = pseudo_classes(AdapterModel(_start(), ()), _rows(), 0.5)
    kl_off = RECIPE.model_copy(update={"kl": 0.0})
    taught = _fitted(_rows(), kl_off.model_copy(update={"pseudo_labels": 0.5}))
    assert _mean_sure(taught, own) > _mean_sure(_fitted(_rows(), kl_off), own) + 0.1


def test_a_batch_without_a_pseudo_label_costs_nothing() -> None:
    term = BesideTerm(AdapterModel(_start(), ()), _rows(), RECIPE, 8)
    assert float(term.pseudo_loss(torch.randn(8, 2), term.batches[0])) == 0
    assert term.batches.shape == (RECIPE.steps, 8)


def test_rounds_keep_the_frames() -> None:
    assert _rows().chosen(np.array([0, 3])).beside is not None


def test_frames_that_are_not_there_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="there are no frames"):
        pseudo_classes(AdapterModel(_start(), ()), _rows(beside=False), 0.9)
    with pytest.raises(ValueError, match="there are no frames"):
        BesideTerm(AdapterModel(_start(), ()), _rows(beside=False), RECIPE, 8)
