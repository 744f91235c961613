from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeclip.adapters.block import BlockSettings
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.parallel_mlp import ParallelMlp
from edgeclip.adapters.tower_deltas import merged_tower
from edgeclip.adapters.tower_tuning import LowRank, NormTuning, SingularValues
from edgeclip.adapters.weight_graph import WeightGraph
from edgeclip.clip import Backbone
from edgeclip.errors import PackError
from edgeclip.weight_hash import hash_weights
from support.towers import (
    VIT,
    disturb,
    inputs_of_frames,
    load_tower,
    random_frames,
    random_start,
)

Weights = Mapping[str, Tensor]
MAKERS: dict[str, Callable[[Weights], Component]] = {
    "ln": NormTuning,
    "lora": LowRank,
    "svd": SingularValues,
    "parallel_mlp": lambda weights: ParallelMlp(weights, BlockSettings(last=1, hidden=4)),
}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_tower(tmp_path_factory.mktemp("tower") / "t", VIT)


@pytest.fixture(scope="module")
def start(backbone: Backbone) -> ZeroShot:
    return random_start(backbone.base.embed_dim)


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[Weights], Component]:
    maker: Callable[[Weights], Component] = request.param
    return maker


def _inputs(backbone: Backbone, cut: int | None) -> tuple[Inputs, WeightGraph]:
    frames = random_frames(3)
    graph = WeightGraph(backbone.tower, cut)
    if cut is None:
        return Inputs(*backbone.embed_images(frames), backbone.pixels(frames)), graph
    return inputs_of_frames(backbone, backbone.split(cut)[0], frames), graph


def _trained(component: Component) -> Component:
    disturb(component, by=0.1)
    return component.eval()


@pytest.mark.parametrize("cut", [None, 1], ids=["pixels", "tokens"])
def test_invariants_1_and_13_a_fresh_method_is_zero_shot_bit_for_bit(
    backbone: Backbone, start: ZeroShot, make: Callable[[Weights], Component], cut: int | None
) -> None:
    inputs, graph = _inputs(backbone, cut)
    component = make(graph.weights)
    with torch.inference_mode():
        expected = AdapterModel(start, (), FeatureGraph())(inputs).logits
        for mode in (True, False):
            model = AdapterModel(start, [component], graph).train(mode)
            assert torch.equal(model(inputs).logits, expected)


@pytest.mark.parametrize("cut", [None, 1], ids=["pixels", "tokens"])
def test_invariant_13_merged_and_unmerged_agree_and_the_base_is_not_touched(
    backbone: Backbone, start: ZeroShot, make: Callable[[Weights], Component], cut: int | None
) -> None:
    inputs, graph = _inputs(backbone, cut)
    component = _trained(make(graph.weights))
    before = hash_weights(backbone.tower.state_dict())
    with torch.inference_mode():
        live = graph(inputs, graph.neutral(start) | component.slots()).logits
        copied = merged_tower(backbone.tower, component.slots())
        z, f = copied(backbone.pixels(random_frames(3)))
        merged = AdapterModel(start, (), FeatureGraph())(Inputs(z, f)).logits
        zero_shot = AdapterModel(start, (), FeatureGraph())(inputs).logits
        restored = merged_tower(backbone.tower, {})
    torch.testing.assert_close(live, merged, atol=1e-5, rtol=0)
    assert not torch.allclose(live, zero_shot, atol=1e-3)
    assert hash_weights(backbone.tower.state_dict()) == before
    assert hash_weights(restored.state_dict()) == before
    assert hash_weights(copied.state_dict()) != before


def test_invariants_2_and_3_the_share_leads_from_the_base_to_what_was_learned(
    backbone: Backbone, start: ZeroShot, make: Callable[[Weights], Component]
) -> None:
    inputs, graph = _inputs(backbone, 1)
    component = _trained(make(graph.weights))
    with torch.inference_mode():
        zero_shot = AdapterModel(start, (), FeatureGraph())(inputs).logits
        logits = [
            graph(inputs, graph.neutral(start) | component.slots(share)).logits
            for share in (0.0, 1e-4, 0.5, 1.0)
        ]
    assert torch.equal(logits[0], zero_shot)
    moves = [float((some - zero_shot).norm()) for some in logits]
    assert moves == sorted(moves)
    assert moves[1] < 0.05


def test_invariants_14_and_15_gradients_go_to_the_method_alone_and_to_all_of_it(
    backbone: Backbone, start: ZeroShot, make: Callable[[Weights], Component]
) -> None:
    inputs, graph = _inputs(backbone, 1)
    torch.manual_seed(0)
    component = make(graph.weights)
    model = AdapterModel(start, [component], graph)
    optimizer = torch.optim.SGD(component.parameters(), lr=1e-5)
    for _ in range(2):
        optimizer.zero_grad()
        model(inputs).logits.square().sum().backward()
        optimizer.step()
    for name, parameter in component.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all()
        if "lora_a" in name or "ln_" in name or "/" in name:
            assert parameter.grad.abs().sum() > 0, name
    assert all(parameter.grad is None for parameter in backbone.tower.parameters())


def test_lora_equals_three_separate_low_rank_matrices_in_numpy(backbone: Backbone) -> None:
    graph = WeightGraph(backbone.tower, 2)
    lora = LowRank(graph.weights, rank=2, alpha=3.0)
    disturb(lora)
    lora.eval()
    name = "transformer.resblocks.2.attn.in_proj_weight"
    after = merged_tower(backbone.tower, lora.slots()).visual.get_parameter(name)
    own = {key.rsplit("/", 1)[-1]: p.detach().numpy() for key, p in lora.values.items()}
    weight = graph.weights[name].numpy()
    for part, rows in enumerate(np.split(np.arange(len(weight)), 3)):
        low_rank = own["lora_b"][part] @ own["lora_a"][part] * 3.0 / np.sqrt(2)
        expected = weight[rows] + low_rank
        np.testing.assert_allclose(after.detach().numpy()[rows], expected, atol=1e-5)


def test_svd_moves_the_singular_values_and_nothing_else(backbone: Backbone) -> None:
    graph = WeightGraph(backbone.tower, 2)
    method = SingularValues(graph.weights)
    name = "transformer.resblocks.2.mlp.c_fc.weight"
    weight = graph.weights[name].double().numpy()
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    change = 0.05 * values * np.cos(np.arange(len(values)))
    method.values[name.replace(".", "/")].data[0] = torch.from_numpy(change).float()
    after = merged_tower(backbone.tower, method.eval().slots()).visual.get_parameter(name)
    expected = (left * (values + change)) @ right
    np.testing.assert_allclose(after.detach().numpy(), expected, atol=1e-5)


def test_svd_has_as_many_parameters_as_there_are_singular_values(backbone: Backbone) -> None:
    method = SingularValues(WeightGraph(backbone.tower, 2).weights)
    q_k_v_out_and_two_of_the_mlp = 6
    assert sum(p.numel() for p in method.parameters()) == q_k_v_out_and_two_of_the_mlp * 32


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ({"delta.nothing.weight": torch.ones(3)}, "no parameter nothing.weight"),
        ({"delta.ln_post.weight": torch.ones(3)}, r"\(3,\) does not fit ln_post.weight \(32,\)"),
        ({"delta.ln_post.weight": torch.ones(1)}, "does not fit"),
        (
            {"delta.transformer.resblocks.0.attn.in_proj_weight.lora_b": torch.ones(3, 32, 2)},
            "does not fit",
        ),
    ],
    ids=["unknown", "another shape", "one number for all", "half of a pair"],
)
def test_deltas_of_another_encoder_are_refused(
    backbone: Backbone, deltas: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(PackError, match=message):
        merged_tower(backbone.tower, deltas)


def test_a_tower_without_such_weights_is_refused(
    make: Callable[[Weights], Component],
) -> None:
    with pytest.raises(ValueError, match="the tower has no parameter of this kind"):
        make({"conv1.weight": torch.ones(3, 3)})


def test_without_tokens_the_graph_says_what_it_needs(backbone: Backbone, start: ZeroShot) -> None:
    inputs, graph = _inputs(backbone, 1)
    with pytest.raises(ValueError, match="needs tokens, or pixels"):
        graph(Inputs(inputs.z, inputs.f), graph.neutral(start))


@pytest.mark.parametrize("setting", [{"rank": 0}, {"alpha": 0.0}, {"left_out": 1.0}])
def test_lora_out_of_range_is_refused(backbone: Backbone, setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        LowRank(WeightGraph(backbone.tower, 1).weights, **setting)  # type: ignore[arg-type]


def test_deltas_of_a_deeper_tower_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    other = load_tower(tmp_path / "other", VIT | {"layers": 2})
    method = _trained(NormTuning(WeightGraph(backbone.tower, 2).weights))
    with pytest.raises(PackError, match=r"the encoder has no parameter transformer\.resblocks\.2"):
        merged_tower(other.tower, method.slots())
