from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.deep_graph import class_pooling
from edgeclip.adapters.pooling import ClassPooling, PoolingSettings
from support.towers import disturb, random_start

EMBED_DIM = 10


@pytest.fixture
def start() -> ZeroShot:
    return random_start(EMBED_DIM)


@pytest.fixture
def pooling(start: ZeroShot) -> ClassPooling:
    torch.manual_seed(0)
    pooling = ClassPooling(start, PoolingSettings(attention=4, sharpness=6.0))
    disturb(pooling)
    return pooling


def test_the_slots_equal_text_queries_over_patch_keys_in_numpy(
    start: ZeroShot, pooling: ClassPooling
) -> None:
    patches = np.random.default_rng(1).normal(size=(2, 7, EMBED_DIM)).astype(np.float32)
    added, attention = class_pooling(torch.from_numpy(patches), pooling.slots())
    p = {name: value.detach().double().numpy() for name, value in pooling.named_parameters()}
    u = patches / np.linalg.norm(patches, axis=-1, keepdims=True)
    for column, t in enumerate(start.weights.T.double().numpy()):
        query, keys = t @ p["query"], u @ p["key"]
        logits = keys @ query + 6.0 * (u @ t)
        a = np.exp(logits - logits.max(1, keepdims=True))
        a /= a.sum(1, keepdims=True)
        pooled = (a[..., None] * u).sum(1)
        score = (pooled @ p["out"]) @ (t @ p["value"]) + p["gate"] * (pooled @ t)
        np.testing.assert_allclose(attention[..., column].detach().numpy(), a, atol=1e-5)
        np.testing.assert_allclose(added[:, column].detach().numpy(), score, atol=1e-5)


def test_at_the_start_the_heat_map_is_the_similarity_and_nothing_is_added(
    start: ZeroShot,
) -> None:
    slots = ClassPooling(start, PoolingSettings(sharpness=30.0)).slots()
    patches = torch.randn(1, 9, EMBED_DIM, generator=torch.Generator().manual_seed(4))
    patches[0, 5] = 3 * start.weights[:, 2]
    added, attention = class_pooling(patches, slots)
    assert not added.any()
    assert int(attention[0, :, 2].argmax()) == 5


def test_patches_in_another_order_give_the_same_sum_and_a_heat_map_in_that_order(
    pooling: ClassPooling,
) -> None:
    patches = torch.randn(3, 8, EMBED_DIM, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    added, attention = class_pooling(patches, pooling.slots())
    again, moved = class_pooling(patches[:, order], pooling.slots())
    torch.testing.assert_close(added, again, atol=1e-6, rtol=0)
    torch.testing.assert_close(attention[:, order], moved, atol=1e-6, rtol=0)


def test_the_length_of_a_patch_does_not_count(pooling: ClassPooling) -> None:
    patches = torch.randn(2, 5, EMBED_DIM, generator=torch.Generator().manual_seed(0))
    once, longer = (class_pooling(scale * patches, pooling.slots())[0] for scale in (1, 50))
    torch.testing.assert_close(once, longer, atol=1e-5, rtol=0)


def test_a_class_can_be_added_without_training(start: ZeroShot, pooling: ClassPooling) -> None:
    new = normalize(torch.randn(EMBED_DIM, 1, generator=torch.Generator().manual_seed(8)), dim=0)
    more = ZeroShot(
        torch.cat([start.weights, new], dim=1),
        torch.zeros(5),
        start.logit_scale,
        torch.tensor([0, 0, 1, 2, 3]),
        4,
    )
    wider = ClassPooling(more, PoolingSettings(attention=4, sharpness=6.0))
    wider.load_state_dict(pooling.state_dict())
    for name, slot in pooling.slots().items():
        torch.testing.assert_close(wider.slots()[name][:, :4], slot)


def test_black_patches_stay_finite(pooling: ClassPooling) -> None:
    added, attention = class_pooling(torch.zeros(1, 4, EMBED_DIM), pooling.slots())
    assert not added.any()
    torch.testing.assert_close(attention, torch.full_like(attention, 0.25))


@pytest.mark.parametrize(("attention", "sharpness"), [(0, 1.0), (4, 0.0), (4, float("nan"))])
def test_sizes_that_mean_nothing_are_refused(
    start: ZeroShot, attention: int, sharpness: float
) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        ClassPooling(start, PoolingSettings(attention=attention, sharpness=sharpness))
