from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.normed_adapter import (
    INPUT_NORM,
    LN_EPS,
    NormedAdapter,
    adapted,
    normed_shift,
    tower_with_mlp_ln,
)
from edgeclip.clip import Backbone
from edgeclip.errors import PackError
from support.towers import VIT, disturb, load_tower, random_frames, random_start

RATIO = 0.5


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_tower(tmp_path_factory.mktemp("tower") / "t", VIT)


@pytest.fixture
def fresh(backbone: Backbone) -> NormedAdapter:
    torch.manual_seed(0)
    return NormedAdapter(backbone.base.embed_dim, reduction=2, ratio=RATIO)


@pytest.fixture
def trained(fresh: NormedAdapter) -> NormedAdapter:
    disturb(fresh, by=0.3)
    return fresh.eval()


@pytest.fixture(scope="module")
def z_and_f(backbone: Backbone) -> tuple[Tensor, Tensor]:
    z, f = backbone.embed_images(random_frames(4))
    return z, f


def test_parity_with_numpy_layer_norm_biases_and_the_length_of_the_feature(
    trained: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    own = {name: p.detach().double().numpy() for name, p in trained.named_parameters()}
    f = z_and_f[1].double().numpy()
    norm = np.linalg.norm(f, axis=1, keepdims=True)
    x = f / norm
    centred = x - x.mean(axis=1, keepdims=True)
    normed = centred / np.sqrt(x.var(axis=1, keepdims=True) + LN_EPS) * own["gain"] + own["shift"]
    hidden = np.maximum(normed @ own["down"] + own["down_bias"], 0)
    expected = f + norm * RATIO * (hidden @ own["up"] + own["up_bias"])
    with torch.inference_mode():
        found = adapted(z_and_f[1], trained.slots()).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_invariants_1_2_and_3_it_starts_as_zero_shot_and_the_share_leads_away_from_it(
    backbone: Backbone, fresh: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    start = random_start(backbone.base.embed_dim)
    with torch.inference_mode():
        plain = AdapterModel(start, ())(Inputs(*z_and_f)).logits
        assert torch.equal(AdapterModel(start, [fresh])(Inputs(*z_and_f)).logits, plain)
        disturb(fresh, by=0.3)
        graph = FeatureGraph()
        logits = [
            graph(Inputs(*z_and_f), graph.neutral(start) | fresh.slots(share)).logits
            for share in (0.0, 1e-4, 0.5, 1.0)
        ]
    assert torch.equal(logits[0], plain)
    moves = [float((some - plain).norm()) for some in logits]
    assert moves == sorted(moves)
    assert moves[1] < 0.05


def test_invariant_4_it_is_not_homogeneous_and_refuses_an_input_of_another_norm_than_it_states(
    trained: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    slots = trained.slots()
    assert float(slots["delta.mlp_ln.norm"]) == INPUT_NORM
    unit = torch.nn.functional.normalize(z_and_f[1], dim=1)
    shift = normed_shift(unit, slots)
    with pytest.raises(ValueError, match=r"mlp_ln states inputs of norm 1, and these reach from 2"):
        normed_shift(2 * unit, slots)
    doubled = normed_shift(2 * unit, {**slots, "delta.mlp_ln.norm": torch.tensor([2.0])})
    assert not torch.allclose(doubled, 2 * shift, atol=1e-2)
    torch.testing.assert_close(  # the whole of it follows the feature's length
        adapted(3 * z_and_f[1], slots), 3 * adapted(z_and_f[1], slots), atol=1e-4, rtol=1e-5
    )


def test_a_feature_without_direction_is_refused(trained: NormedAdapter) -> None:
    with pytest.raises(ValueError, match="these reach from 0 to 0"):
        adapted(torch.zeros(1, len(trained.gain)), trained.slots())


def test_the_baked_tower_gives_the_same_features_and_keeps_its_projection(
    backbone: Backbone, trained: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    copied = tower_with_mlp_ln(backbone.tower, trained.slots())
    with torch.inference_mode():
        z, f = copied(backbone.pixels(random_frames(4)))
    torch.testing.assert_close(f, adapted(z_and_f[1], trained.slots()), atol=2e-5, rtol=1e-5)
    assert torch.equal(copied.projection, backbone.tower.projection)
    torch.testing.assert_close(z @ copied.projection, f, atol=0, rtol=0)


def test_invariants_14_and_15_all_of_it_learns(
    backbone: Backbone, fresh: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    model = AdapterModel(random_start(backbone.base.embed_dim), [fresh])
    optimizer = torch.optim.SGD(fresh.parameters(), lr=0.01)
    for step in range(2):
        optimizer.zero_grad()
        model(Inputs(*z_and_f)).logits.square().sum().backward()
        silent = {n for n, p in fresh.named_parameters() if p.grad is None or not p.grad.any()}
        assert silent == ({"gain", "shift", "down", "down_bias"} if step == 0 else set())
        optimizer.step()


def test_invariant_18_gradients_equal_finite_differences_in_double_precision(
    trained: NormedAdapter, z_and_f: tuple[Tensor, Tensor]
) -> None:
    part, f = trained.double(), z_and_f[1][:3].double()
    names = [name for name, _ in part.named_parameters()]
    graph, start = FeatureGraph(), random_start(f.shape[1])
    neutral = {name: slot.double() for name, slot in graph.neutral(start).items()}

    def logits(*values: Tensor) -> Tensor:
        own = dict(zip(names, values, strict=True))
        for name, value in own.items():
            delattr(part, name)
            setattr(part, name, value)
        found: Tensor = graph(Inputs(f[:, :1], f), neutral | part.slots(0.7)).logits
        return found

    values = tuple(p.detach().clone().requires_grad_() for p in part.parameters())
    assert gradcheck(logits, values, eps=1e-6, atol=1e-5)


def test_tensors_of_another_encoder_are_refused(backbone: Backbone, trained: NormedAdapter) -> None:
    slots = trained.slots()
    slots.pop("delta.mlp_ln.norm")
    with pytest.raises(PackError, match=r"under delta.mlp_ln. do not fit an encoder of"):
        tower_with_mlp_ln(backbone.tower, slots)
