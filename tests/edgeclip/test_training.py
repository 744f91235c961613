from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs, run_head
from edgeclip.config import Recipe
from edgeclip.errors import DataError
from edgeclip.features import Features
from edgeclip.losses import class_loss, view_consistency
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.sampling import prior_offsets
from edgeclip.training import (
    TrainingRows,
    anchor_strengths,
    inputs_of,
    kl_weight,
    sampling_weights,
    twins,
)

WIDTH, EMBED_DIM = 16, 24
RECIPE = Recipe(steps=300, batch=32, learning_rate=0.002, seed=1)


def _rows(seed: int, *, images: int = 16, classes: int = 2) -> TrainingRows:
    """Random features with random labels: all that can be learned is these very images."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(images, WIDTH)).astype(np.float32)
    f = rng.normal(size=(images, EMBED_DIM)).astype(np.float32)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, images - classes)])
    places = [f"P{i % 3}" for i in range(images)]
    return TrainingRows(Features(z, f), labels.astype(np.int64), places, np.arange(images))


def _fitted(
    rows: TrainingRows,
    start: ZeroShot,
    recipe: Recipe = RECIPE,
    advance: Callable[[float], None] = lambda _: None,
) -> AdapterModel:
    base = Base(start, FeatureGraph())
    return fitted(parse_method("visual+head"), base, rows, recipe, advance=advance)


def _start(columns: list[int]) -> ZeroShot:
    generator = torch.Generator().manual_seed(7)
    text = normalize(torch.randn(len(columns), EMBED_DIM, generator=generator), dim=1)
    return ZeroShot.of(text, columns, 20.0)


def _right(rows: TrainingRows, model: AdapterModel, columns: list[int]) -> float:
    tensors = model.pack_tensors(1.0)
    likeliest = run_head(rows.features.z, rows.features.f, tensors).logits.numpy().argmax(1)
    return float((np.asarray(columns)[likeliest] == rows.classes).mean())


@pytest.mark.parametrize("columns", [[0, 1], [0, 1, 1, 1]], ids=["plain", "prototypes"])
def test_any_labels_of_sixteen_images_are_learned_in_300_steps(columns: list[int]) -> None:
    rows = _rows(0)
    assert _right(rows, _fitted(rows, _start(columns), RECIPE), columns) == 1.0


def test_no_steps_give_zero_shot_bit_for_bit() -> None:
    rows, start = _rows(0), _start([0, 1])
    model = _fitted(rows, start, RECIPE.model_copy(update={"steps": 0}))
    np.testing.assert_array_equal(model.pack_tensors(1.0)["class_weights"], start.weights.numpy())
    assert not model.pack_tensors(1.0)["va_up"].any()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    rows, start = _rows(0), _start([0, 1])
    recipe = RECIPE.model_copy(update={"steps": 20})
    first, second = (_fitted(rows, start, recipe).pack_tensors(1.0) for _ in range(2))
    other = _fitted(rows, start, recipe.model_copy(update={"seed": 2})).pack_tensors(1.0)
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["va_up"] != other["va_up"]).any()


def test_an_endless_anchor_keeps_the_text_features() -> None:
    start = _start([0, 1])
    model = _fitted(_rows(0), start, RECIPE.model_copy(update={"anchor": 1e6}))
    moved = model.pack_tensors(1.0)["class_weights"] - start.weights.numpy()
    assert np.abs(moved).max() < 1e-2


def test_every_step_is_reported_with_its_loss() -> None:
    losses: list[float] = []
    _fitted(_rows(0), _start([0, 1]), advance=losses.append)
    assert len(losses) == 300
    assert losses[-1] < losses[0] / 10


def test_no_step_leaves_anything_behind_for_a_gpu_that_never_begins() -> None:
    def left(steps: int) -> int:
        before = len(torch.cuda._queued_calls)
        _fitted(_rows(0), _start([0, 1]), RECIPE.model_copy(update={"steps": steps}))
        return len(torch.cuda._queued_calls) - before

    assert left(12) == left(2)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no training images"):
        _fitted(_rows(0).chosen(np.zeros(0, np.int64)), _start([0, 1]))


def test_features_that_are_not_finite_stop_the_fit() -> None:
    rows = _rows(0)
    rows.features.f[:] = np.nan
    with pytest.raises(DataError, match="the loss is nan at step 0"):
        _fitted(rows, _start([0, 1]), RECIPE)


def test_classes_and_their_places_are_drawn_alike() -> None:
    places = ["A"] * 90 + ["B"] * 10 + ["A"] * 5
    classes = np.asarray([0] * 100 + [1] * 5, np.int64)
    features = Features(np.zeros((105, 2), np.float32), np.zeros((105, 2), np.float32))
    weights = sampling_weights(TrainingRows(features, classes, places, np.arange(105)))
    sums = [weights[:90].sum(), weights[90:100].sum(), weights[100:].sum()]
    np.testing.assert_allclose(sums, [0.25, 0.25, 0.5])


def test_the_frames_of_a_burst_count_once() -> None:
    """One burst of nine frames and two single frames at a place; a burst may show two classes."""
    bursts = [*["burst"] * 9, "one", "two", "burst"]
    classes, places = np.asarray([0] * 11 + [1], np.int64), ["A"] * 12
    features = Features(np.zeros((12, 2), np.float32), np.zeros((12, 2), np.float32))
    rows = TrainingRows(features, classes, places, np.arange(12), bursts)
    weights = sampling_weights(rows)
    np.testing.assert_allclose(weights[:9], 1 / 54)
    np.testing.assert_allclose(weights[9:], [1 / 6, 1 / 6, 1 / 2])
    some = rows.chosen(np.asarray([0, 1, 9, 11], np.int64))
    np.testing.assert_allclose(sampling_weights(some), [1 / 8, 1 / 8, 1 / 4, 1 / 2])


def test_the_prior_is_of_images_and_not_of_their_views_and_counts_in_every_column() -> None:
    classes = np.asarray([0, 0, 0, 0, 1, 1], np.int64)
    origins = np.asarray([0, 0, 1, 2, 3, 3])
    offsets = prior_offsets(classes, origins, np.asarray([0, 1, 1, 2]))
    np.testing.assert_allclose(np.exp(offsets), np.asarray([4, 2, 2, 1]) / 7)


def test_a_prior_that_is_given_back_is_in_the_logits_of_what_was_trained() -> None:
    """Features that tell nothing: all that can be learned is how frequent the classes are."""
    classes = np.asarray([0] * 30 + [1] * 10, np.int64)
    f = np.ones((40, EMBED_DIM), np.float32)
    rows = TrainingRows(Features(np.zeros((40, WIDTH), np.float32), f), classes, ["A"] * 40,
                        np.arange(40))  # fmt: skip
    shares = {}
    for prior in (0.0, 1.0):
        recipe = RECIPE.model_copy(update={"prior": prior, "kl": 0.0, "anchor": 0.0, "ema": 0.0})
        model = _fitted(rows, _start([0, 1]), recipe.model_copy(update={"steps": 300}))
        logits = model(inputs_of(rows.features, np.arange(1))).logits.detach()
        shares[prior] = float(torch.softmax(logits, dim=1)[0, 0])
    assert shares[0.0] == pytest.approx(1 / 2, abs=0.03)
    assert shares[1.0] == pytest.approx(31 / 42, abs=0.03)


def test_text_samples_keep_a_class_near_its_text_where_its_images_lead_away() -> None:
    """Images that look as the other class's text says; half of the loss is of the texts."""
    start = _start([0, 1])
    f = start.weights.T.numpy()[[1, 0] * 8].copy()
    z, classes = np.zeros((16, WIDTH), np.float32), np.asarray([0, 1] * 8, np.int64)
    rows = TrainingRows(Features(z, f), classes, ["A"] * 16, np.arange(16))
    quiet = RECIPE.model_copy(update={"kl": 0.0, "anchor": 0.0, "ema": 0.0})
    right = {}
    for text in (False, True):
        model = _fitted(rows, start, quiet.model_copy(update={"text_samples": text}))
        with torch.no_grad():
            logits = model(Inputs(torch.zeros(2, WIDTH), start.weights.T)).logits
        right[text] = float(torch.softmax(logits, dim=1).diagonal().mean())
    assert right[False] < 0.1
    assert right[True] == pytest.approx(0.5, abs=0.1)  # text and images contradict each other


def test_the_loss_sums_the_columns_of_a_class() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.1, -1.0]])
    classes, columns = torch.tensor([1, 0]), torch.tensor([0, 1, 1])
    probabilities = torch.softmax(logits, dim=1)
    expected = -(torch.log(probabilities[0, 1:].sum()) + torch.log(probabilities[1, 0])) / 2
    torch.testing.assert_close(class_loss(logits, classes, columns), expected)


def test_the_anchor_is_strong_where_zero_shot_is_right_and_lets_go_where_it_is_wrong() -> None:
    start = _start([0, 1, 2])
    f = start.weights.T.numpy()[[0, 0]].copy()  # class 0 looks as its text says, class 1 too
    features = Features(np.zeros((2, WIDTH), np.float32), f)
    rows = TrainingRows(features, np.asarray([0, 1], np.int64), ["A", "A"], np.arange(2))
    strengths = anchor_strengths(rows, start)
    assert strengths[0] > 0.9
    assert strengths[1] < 0.1
    assert strengths[2] == 1.0


def test_zero_shot_is_held_less_the_more_images_there_are() -> None:
    assert kl_weight(_rows(0, images=4), RECIPE) == 1.0
    assert kl_weight(_rows(0, images=80), RECIPE) == pytest.approx(0.1)
    assert kl_weight(_rows(0), RECIPE.model_copy(update={"kl": 0.7})) == 0.7


def test_a_twin_is_another_view_of_the_same_region() -> None:
    origins = np.asarray([3, 1, 3, 2, 1, 3], np.int64)
    twin = twins(origins, seed=0)
    np.testing.assert_array_equal(origins[twin], origins)
    np.testing.assert_array_equal(twin == np.arange(6), [False, False, False, True, False, False])


def test_consistency_of_views_brings_their_logits_together() -> None:
    rows, start = _rows(0), _start([0, 1])
    classes = np.repeat(rows.classes[:8], 2)
    paired = TrainingRows(rows.features, classes, rows.locations, np.arange(16) // 2)

    def apart(view_kl: float) -> float:
        model = _fitted(paired, start, RECIPE.model_copy(update={"view_kl": view_kl}))
        logits = run_head(rows.features.z, rows.features.f, model.pack_tensors()).logits
        return float(view_consistency(logits[::2], logits[1::2]))

    assert apart(20.0) < 0.5 * apart(0.0)
