"""The methods of the class matrix and the projection, by the name that a person gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeclip.adapters.model import AdapterModel, FeatureGraph, run_head
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.making import TowerSizes
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.training import TrainingRows
from support.supports import EMBED_DIM, support

WIDTH = 16
PROJECTION = torch.randn(WIDTH, EMBED_DIM, generator=torch.Generator().manual_seed(9)) / 4
SLOTS = {
    "taskres": set(),
    "lpplus": set(),
    "linear": {"projection_delta"},
    "proj": {"projection_delta"},
    "linear+visual+lpplus": {"projection_delta", "va_down", "va_up", "va_ratio"},
}


def _rows() -> TrainingRows:
    few = support((8, 8, 8))
    f = few.features.numpy()
    z = (f @ np.linalg.pinv(PROJECTION.numpy())).astype(np.float32)
    return TrainingRows(Features(z, f), few.classes.numpy(), few.locations, np.arange(24))


def _fitted(name: str, sizes: TowerSizes) -> AdapterModel:
    base = Base(support().start, FeatureGraph(), tower=sizes)
    recipe = Recipe(steps=60, batch=24, learning_rate=1e-2, reduction=2)
    return fitted(parse_method(name), base, _rows(), recipe)


@pytest.mark.parametrize("name", sorted(SLOTS))
def test_a_method_by_name_learns_and_binds_its_slots(name: str) -> None:
    rows = _rows()
    tensors = _fitted(name, TowerSizes(WIDTH, 0, 1, PROJECTION)).pack_tensors()
    assert set(tensors) == SLOTS[name] | {"class_weights", "class_bias", "logit_scale"}

    def loss(share: float) -> float:
        model = _fitted(name, TowerSizes(WIDTH, 0, 1, PROJECTION))
        logits = run_head(rows.features.z, rows.features.f, model.pack_tensors(share)).logits
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(rows.classes)))

    assert loss(1.0) < 0.9 * loss(0.0)
