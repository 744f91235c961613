"""Full fine-tuning: every layer moves, a run repeats, and the test part decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeclip.baselines import finetune as finetuning
from edgeclip.baselines.cnn import Cnn
from edgeclip.baselines.finetune import FineTuning, finetune, fitted
from edgeclip.baselines.judging import Task
from edgeclip.baselines.pixels import PixelPart, PixelSplit
from edgeclip.errors import DataError, SetupError

QUICK = FineTuning(steps=25, batch=16, rates=(1e-3, 5e-3), seed=3)


def test_every_layer_is_trained(tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task) -> None:
    torch.manual_seed(QUICK.seed)
    start = tiny_cnn.build(len(task.class_names)).state_dict()
    model = fitted(tiny_cnn, pixel_split.training, 1e-3, task=task, options=QUICK)
    for name, tensor in model.state_dict().items():
        assert not torch.equal(tensor, start[name]), name
    assert not model.training


def test_a_seed_repeats_bit_by_bit_and_another_differs(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task
) -> None:
    runs = [
        finetune(tiny_cnn, pixel_split, task=task, options=replace(QUICK, seed=seed))
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(runs[0].probabilities, runs[1].probabilities)
    assert not np.array_equal(runs[0].probabilities, runs[2].probabilities)


def test_it_learns_and_states_its_cost(tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task) -> None:
    calls: list[int] = []
    options = replace(QUICK, steps=80)
    given = finetune(tiny_cnn, pixel_split, task=task, options=options, advance=calls.append)
    images = len({region.image for region in pixel_split.test.regions})
    assert given.probabilities.shape == (images, len(task.class_names))
    assert np.allclose(given.probabilities.sum(axis=1), 1, atol=1e-5)
    assert given.trainable_params == sum(p.numel() for p in tiny_cnn.build(3).parameters())
    assert given.steps == sum(calls) == 240  # two rates, and the last fit to all labels
    assert "from nothing; learning rate" in given.note
    classes = pixel_split.test.classes.tolist()
    truth = {r.image: c for r, c in zip(pixel_split.test.regions, classes, strict=True)}
    right = given.probabilities.argmax(axis=1) == np.asarray(list(truth.values()))
    assert right.mean() > 0.6  # chance is a third


def test_the_test_parts_labels_change_nothing(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task
) -> None:
    shuffled = replace(pixel_split.test, classes=np.roll(pixel_split.test.classes, 5))
    first, second = (
        finetune(tiny_cnn, replace(pixel_split, test=test), task=task, options=QUICK)
        for test in (pixel_split.test, shuffled)
    )
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.thresholds == second.thresholds


def test_without_training_images_nothing_is_trained(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task
) -> None:
    apart = frozenset(region.image for region in pixel_split.taught.regions)
    with pytest.raises(DataError, match="no training images"):
        finetune(tiny_cnn, replace(pixel_split, set_apart=apart), task=task, options=QUICK)


def test_what_is_judged_has_learned_from_validation_too(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[set[int]] = []

    def watched(cnn: Cnn, part: PixelPart, rate: float, **options: Any) -> nn.Module:
        taught.append({region.image for region in part.regions})
        return fitted(cnn, part, rate, **options)

    monkeypatch.setattr(finetuning, "fitted", watched)
    finetune(tiny_cnn, pixel_split, task=task, options=QUICK)
    everything = {region.image for region in pixel_split.taught.regions}
    assert pixel_split.set_apart
    assert taught == [everything - pixel_split.set_apart] * 2 + [everything]


def test_parts_of_a_split_share_no_image(pixel_split: PixelSplit) -> None:
    training, validation = pixel_split.training, pixel_split.validation
    assert {region.view for region in validation.regions} == {0}
    assert {region.image for region in validation.regions} == pixel_split.set_apart
    assert not pixel_split.set_apart & {region.image for region in training.regions}
    assert len(training.regions) + 2 * len(validation.regions) == len(pixel_split.taught.regions)
    np.testing.assert_array_equal(training.pixels[0], pixel_split.taught.pixels[0])


def test_a_device_that_is_absent_is_named(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = replace(QUICK, device="cuda")
    with pytest.raises(SetupError, match="cuda is not on this machine: use --device cpu"):
        finetune(tiny_cnn, pixel_split, task=task, options=options)


def test_a_rate_that_diverges_is_an_error(
    tiny_cnn: Cnn, pixel_split: PixelSplit, task: Task
) -> None:
    broken = replace(tiny_cnn, std=(0.0, 0.25, 0.25))
    with pytest.raises(DataError, match="tiny CNN: the loss is not finite"):
        fitted(broken, pixel_split.training, 1e-3, task=task, options=replace(QUICK, steps=1))
