"""Zero-shot and the linear probe on frozen features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.frozen import (
    linear_probe_in_rounds,
    zero_shot,
)
from edgeclip.baselines.judging import Cost, PartLogits, Task, judge
from edgeclip.clip import Backbone
from edgeclip.contenders import Contender
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import Features, encode_regions
from edgeclip.folds import plan_folds
from edgeclip.labels.dataset import Dataset
from edgeclip.parts import PartData
from edgeclip.prompts import class_prompts, column_class
from edgeclip.regions import Strips, regions_of
from edgeclip.scoring import image_probabilities, region_probabilities
from edgeclip.splits import split_images
from edgeclip.training import sampling_weights
from support.parts import Seen, part_of
from support.parts_of_a_split import Parts


def _probe(parts: Parts, test: PartData, task: Task) -> Contender:
    """Return the probe of the training and validation images of a split."""
    images = parts.training.images
    features = [parts.training.features, parts.validation.features]
    z, f = (np.concatenate([getattr(own, name) for own in features]) for name in "zf")
    joined = Features(z, f)
    regions = [*parts.training.regions, *parts.validation.regions]
    taught = PartData(images, regions, joined, parts.training.class_names)
    folds = plan_folds(taught, task.target_indices, [], 6)
    return linear_probe_in_rounds(taught, folds, test, task)


def test_the_probe_tells_apart_what_the_features_tell_apart(parts: Parts, task: Task) -> None:
    given = _probe(parts, parts.test, task)
    images = list(dict.fromkeys(region.image for region in parts.test.regions))
    assert given.probabilities.shape == (len(images), 3)
    assert np.allclose(given.probabilities.sum(axis=1), 1, atol=1e-5)
    right = given.probabilities.argmax(axis=1) == parts.test.classes_of(images)
    assert right.mean() > 0.6
    assert given.trainable_params == 3 * (parts.test.features.f.shape[1] + 1)
    assert "chosen as a pack is: in" in given.note


def test_the_probe_sees_neither_labels_nor_order_of_the_test(parts: Parts, task: Task) -> None:
    first = _probe(parts, parts.test, task)
    half = replace(
        parts.test,
        regions=parts.test.regions[:8],
        features=parts.test.features.rows(range(8)),
    )
    second = _probe(parts, half, task)
    assert np.allclose(first.probabilities[: len(second.probabilities)], second.probabilities)
    assert first.thresholds == second.thresholds


def test_in_rounds_the_probe_is_chosen_and_calibrated_on_what_each_round_left_out(
    parts: Parts, task: Task, dataset: Dataset, backbone: Backbone
) -> None:
    taught = _taught(dataset, backbone)
    folds = plan_folds(taught, task.target_indices, [], 6)
    given = linear_probe_in_rounds(taught, folds, parts.test, task)
    strength = float(given.note.split("C = ")[1].split(",")[0])
    unit = taught.features.f / np.linalg.norm(taught.features.f, axis=1, keepdims=True)
    weights = sampling_weights(taught.training_rows())

    def probe(kept: NDArray[np.int64], asked: NDArray[np.float32]) -> NDArray[np.float32]:
        own = weights[kept] * len(kept) / weights[kept].sum()
        model = LogisticRegression(C=strength, max_iter=400)
        model.fit(unit[kept].astype(float), taught.classes[kept], sample_weight=own)
        return np.asarray(model.predict_log_proba(asked.astype(float)), np.float32)

    known = np.concatenate([probe(fold.fit, unit[fold.held]) for fold in folds.folds])
    held = taught.chosen(folds.held)
    own = PartLogits(held.regions, held.classes, known)
    everything = np.arange(len(unit))
    asked = PartLogits(
        parts.test.regions, parts.test.classes, probe(everything, _unit(parts.test.features.f))
    )
    expected = judge("probe", own, asked, task=task, cost=Cost(0, 0, 0.0))
    assert given.thresholds == pytest.approx(expected.thresholds, abs=2e-3)
    np.testing.assert_allclose(given.probabilities, expected.probabilities, atol=2e-2)
    assert f"in {len(folds.folds)} rounds by location" in given.note


def _taught(dataset: Dataset, backbone: Backbone) -> PartData:
    split = split_images(dataset.images, ["leopard"], seed=1)
    chosen = sorted((*split.indices("train"), *split.indices("validation")))
    regions = regions_of(dataset.images, chosen, views=2)
    features = encode_regions(
        dataset.images, regions, backbone, cache=FeatureCache(None), strips=Strips()
    )
    return PartData(dataset.images, regions, features, dataset.class_names)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_frames_of_one_burst_weigh_less_in_the_probe_than_as_many_visits(task: Task) -> None:
    def leopard(sequences: int) -> float:
        """Return what a leopard gets where six odd frames of leopards are of so many sequences."""
        seen = [
            Seen(name, f"P{place}", direction, f"P{place}/{name}")
            for name, direction in (("leopard", (1.0, 0.2, 0.0)), ("blank", (0.2, 1.0, 0.0)))
            for place in range(4)
        ]
        seen += [Seen("leopard", "P0", (0.1, 0.9, 0.4), f"odd{n % sequences}") for n in range(6)]
        part = part_of(seen, task.class_names)
        folds, test = plan_folds(part, task.target_indices, [], 2), part.chosen(np.arange(1))
        said = linear_probe_in_rounds(part, folds, test, task)
        return float(said.probabilities[0, task.class_names.index("leopard")])

    assert leopard(1) > leopard(6)


def test_a_class_without_training_images_is_never_likeliest(parts: Parts, task: Task) -> None:
    wider = Task((*task.class_names, "okapi"), task.targets)
    given = _probe(parts, parts.test, wider)
    assert given.probabilities.shape[1] == 4
    assert given.probabilities[:, 3].max() < 0.05


@pytest.fixture(scope="module")
def start(backbone: Backbone, task: Task) -> tuple[ZeroShot, list[int]]:
    prompts = class_prompts(task.class_names, {})
    columns = [column for item in prompts.values() for column in item.columns]
    numbers = column_class(prompts)
    text = backbone.embed_prompts(columns)
    return ZeroShot.of(text, numbers, backbone.logit_scale), numbers


def test_zero_shot_is_what_a_pack_of_prompts_alone_says(
    parts: Parts, task: Task, start: tuple[ZeroShot, list[int]]
) -> None:
    head, columns = start
    given = zero_shot(head, parts.validation, parts.test, replace(task, column_class=columns))
    tensors = {name: t.numpy().astype(np.float32) for name, t in head.slots().items()}
    rows = region_probabilities(parts.test.graph, parts.test.features, tensors, columns)
    _, wanted = image_probabilities(parts.test.regions, rows, task.target_indices)
    assert given.uncalibrated is not None
    assert np.allclose(given.uncalibrated, wanted, atol=1e-5)
    assert given.trainable_params == given.steps == 0


def test_zero_shot_does_not_look_at_the_scale_of_features(
    parts: Parts, task: Task, start: tuple[ZeroShot, list[int]]
) -> None:
    head, columns = start
    louder = PartData(
        parts.test.images,
        parts.test.regions,
        Features(parts.test.features.z, 7 * parts.test.features.f),
        parts.test.class_names,
    )
    whole = replace(task, column_class=columns)
    first, second = (
        zero_shot(head, parts.validation, test, whole) for test in (parts.test, louder)
    )
    assert np.allclose(first.probabilities, second.probabilities, atol=1e-5)
    assert torch.isfinite(torch.from_numpy(first.probabilities)).all()
