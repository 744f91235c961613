from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.stages import StageAdapters, StageGraph, StageSettings, tower_with_stages
from edgeclip.clip import Backbone
from edgeclip.errors import ConfigError, PackError
from edgeclip.towers import LowerStages
from edgeclip.weight_hash import hash_weights
from support.towers import RESNET, VIT, disturb, load_tower, random_frames, random_start


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_tower(tmp_path_factory.mktemp("tower") / "t", RESNET)


@pytest.fixture(scope="module")
def start(backbone: Backbone) -> ZeroShot:
    return random_start(backbone.base.embed_dim)


def _inputs(backbone: Backbone, cut: int = 0) -> Inputs:
    frames = random_frames(3)
    activations = backbone.embed_tokens(frames, LowerStages(backbone.tower.visual, cut))
    return Inputs(*backbone.embed_images(frames), activations)


def _trained(backbone: Backbone, settings: StageSettings | None = None) -> StageAdapters:
    torch.manual_seed(0)
    adapters = StageAdapters(backbone.tower, settings or StageSettings(hidden=4))
    disturb(adapters, by=1.0)
    return adapters.eval()


@pytest.mark.parametrize(("cut", "last"), [(0, 4), (2, 2), (3, 1)])
def test_invariant_1_fresh_stage_adapters_are_zero_shot_bit_for_bit(
    backbone: Backbone, start: ZeroShot, cut: int, last: int
) -> None:
    inputs = _inputs(backbone, cut)
    adapters = StageAdapters(backbone.tower, StageSettings(last=last))
    model = AdapterModel(start, [adapters], StageGraph(backbone.tower, cut))
    with torch.inference_mode():
        expected = AdapterModel(start, (), FeatureGraph())(inputs).logits
        assert torch.equal(model(inputs).logits, expected)


def test_the_adapters_equal_the_formula_in_numpy_at_each_place(backbone: Backbone) -> None:
    adapters = _trained(backbone, StageSettings(last=1, hidden=3))
    (stage,) = adapters.stages
    h = _inputs(backbone, 4).tokens
    assert isinstance(h, torch.Tensor)
    tower = tower_with_stages(backbone.tower, adapters.slots())
    with torch.inference_mode():
        branch = list(getattr(tower.visual, stage))[-1]
        found = branch(h).numpy()
    p = {name.split("_", 1)[1]: v.detach().numpy() for name, v in adapters.values.items()}
    x = h.permute(0, 2, 3, 1).numpy()
    hidden = np.maximum(x @ p["down"] + p["down_bias"], 0)
    expected = x + 0.1 * (hidden @ p["up"] + p["up_bias"])
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-4)


def test_invariant_13_the_copy_with_adapters_agrees_and_the_base_is_not_touched(
    backbone: Backbone, start: ZeroShot
) -> None:
    adapters, graph = _trained(backbone), StageGraph(backbone.tower)
    before = hash_weights(backbone.tower.state_dict())
    inputs = _inputs(backbone)
    with torch.inference_mode():
        live = graph(inputs, graph.neutral(start) | adapters.slots()).logits
        z, f = tower_with_stages(backbone.tower, adapters.slots())(
            backbone.pixels(random_frames(3))
        )
        baked = AdapterModel(start, (), FeatureGraph())(Inputs(z, f)).logits
        zero_shot = AdapterModel(start, (), FeatureGraph())(inputs).logits
        none = graph(inputs, graph.neutral(start) | adapters.slots(0.0)).logits
    torch.testing.assert_close(live, baked, atol=1e-5, rtol=0)
    assert not torch.allclose(live, zero_shot, atol=1e-3)
    assert torch.equal(none, zero_shot)
    assert hash_weights(backbone.tower.state_dict()) == before
    assert hash_weights(tower_with_stages(backbone.tower, {}).state_dict()) == before


def test_invariants_14_and_15_only_the_adapters_learn_and_the_buffers_of_the_norms_stay(
    backbone: Backbone, start: ZeroShot
) -> None:
    torch.manual_seed(0)
    adapters = StageAdapters(backbone.tower, StageSettings(hidden=4))
    model = AdapterModel(start, [adapters], StageGraph(backbone.tower)).train()
    before = hash_weights(backbone.tower.state_dict())
    inputs, optimizer = _inputs(backbone), torch.optim.SGD(adapters.parameters(), lr=1e-3)
    seen = []
    for _ in range(2):
        optimizer.zero_grad()
        model(inputs).logits.square().sum().backward()
        seen.append(
            {
                name: 0.0 if p.grad is None else float(p.grad.abs().sum())
                for name, p in adapters.values.items()
            }
        )
        optimizer.step()
    assert all((value > 0) == ("up" in name) for name, value in seen[0].items())
    assert all(value > 0 for value in seen[1].values())
    assert all(parameter.grad is None for parameter in backbone.tower.parameters())
    assert hash_weights(backbone.tower.state_dict()) == before


def test_invariant_16_starts_that_could_never_learn_raise_at_construction(
    backbone: Backbone,
) -> None:
    with pytest.raises(ValueError, match="ReLU behind a zero up-projection"):
        StageAdapters(backbone.tower, StageSettings(trailing_relu=True))
    with pytest.raises(ValueError, match="zero gate times a zero up-projection"):
        StageAdapters(backbone.tower, StageSettings(scale=0.0))
    with pytest.raises(ValueError, match=r"last 5 is not in 1\.\.4"):
        StageAdapters(backbone.tower, StageSettings(last=5))


def test_a_vit_is_pointed_to_the_block_adapters(tmp_path: Path) -> None:
    vit = load_tower(tmp_path / "vit", VIT)
    with pytest.raises(ConfigError, match="use the block adapters"):
        StageAdapters(vit.tower)
    with pytest.raises(ConfigError, match="use the block adapters"):
        StageGraph(vit.tower)


def test_tensors_of_another_tower_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    wider = load_tower(tmp_path / "wider", RESNET | {"width": 16})
    slots = _trained(backbone).slots()
    with pytest.raises(PackError, match="is of 32 channels, the encoder's layer1 has 64"):
        tower_with_stages(wider.tower, slots)
    with pytest.raises(PackError, match=r"delta\.x is no stage adapter"):
        tower_with_stages(backbone.tower, {"delta.x": torch.ones(1)})


def test_an_adapter_below_the_cut_is_refused_rather_than_ignored(
    backbone: Backbone, start: ZeroShot
) -> None:
    graph = StageGraph(backbone.tower, 2)
    with pytest.raises(ValueError, match="the adapter behind layer1 lies below cut 2"):
        graph(_inputs(backbone, 2), graph.neutral(start) | _trained(backbone).slots())


def test_without_activations_the_graph_says_what_it_needs(
    backbone: Backbone, start: ZeroShot
) -> None:
    inputs, graph = _inputs(backbone), StageGraph(backbone.tower)
    with pytest.raises(ValueError, match="needs activations"):
        graph(Inputs(inputs.z, inputs.f), graph.neutral(start))
