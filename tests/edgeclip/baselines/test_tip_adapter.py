"""Tip-Adapter as a baseline, against its formula in numpy."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.baselines.judging import Task
from edgeclip.baselines.tip_adapter import tip_adapter
from edgeclip.clip import Backbone
from edgeclip.contenders import Contender
from edgeclip.feature_cache import FeatureCache
from edgeclip.features import encode_regions
from edgeclip.folds import plan_folds
from edgeclip.labels.dataset import Dataset
from edgeclip.parts import PartData
from edgeclip.regions import Strips, regions_of
from edgeclip.scoring import image_probabilities
from edgeclip.splits import split_images
from support.parts_of_a_split import Parts


@pytest.fixture(scope="module")
def taught(dataset: Dataset, backbone: Backbone) -> PartData:
    split = split_images(dataset.images, ["leopard"], seed=1)
    chosen = sorted((*split.indices("train"), *split.indices("validation")))
    regions = regions_of(dataset.images, chosen, views=1)
    features = encode_regions(
        dataset.images, regions, backbone, cache=FeatureCache(None), strips=Strips()
    )
    return PartData(dataset.images, regions, features, dataset.class_names)


@pytest.fixture(scope="module")
def start(backbone: Backbone, task: Task) -> ZeroShot:
    prompts = [[f"a photo of a {name}"] for name in task.class_names]
    text = backbone.embed_prompts(prompts)
    return ZeroShot.of(text, list(range(len(prompts))), backbone.logit_scale)


@pytest.fixture(scope="module")
def given(taught: PartData, start: ZeroShot, task: Task, parts: Parts) -> Contender:
    folds = plan_folds(taught, task.target_indices, [], 6)
    return tip_adapter(start, taught, folds, parts.test, task)


def test_it_is_prompts_and_a_cache_of_its_images(
    given: Contender, taught: PartData, start: ZeroShot, task: Task, parts: Parts
) -> None:
    alpha, beta = map(float, re.findall(r"(?:alpha|beta) ([\d.]+),", given.note))
    keys, asked = _unit(taught.features.f), _unit(parts.test.features.f)
    counts = np.bincount(taught.classes, minlength=len(task.class_names))
    values = np.eye(len(counts))[taught.classes] * (counts.mean() / counts)[taught.classes, None]
    cache = alpha * np.exp(-beta * (1 - asked @ keys.T)) @ values
    logits = start.logit_scale * asked @ start.weights.numpy() + start.bias.numpy() + cache
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    of_regions = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    _, expected = image_probabilities(parts.test.regions, of_regions, task.target_indices)
    assert given.uncalibrated is not None
    np.testing.assert_allclose(given.uncalibrated, expected, atol=1e-4)
    assert (given.trainable_params, given.steps, set(given.thresholds)) == (0, 0, {"leopard"})


def test_it_sees_no_label_of_the_test(
    given: Contender, taught: PartData, start: ZeroShot, task: Task, parts: Parts
) -> None:
    part = parts.test
    other = replace(part.images[0], class_name="blank")
    relabelled = replace(part, images=[replace(other, path=own.path) for own in part.images])
    folds = plan_folds(taught, task.target_indices, [], 6)
    again = tip_adapter(start, taught, folds, relabelled, task)
    np.testing.assert_array_equal(again.probabilities, given.probabilities)
    assert (again.thresholds, again.note) == (given.thresholds, given.note)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
