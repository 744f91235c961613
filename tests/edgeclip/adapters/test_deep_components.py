"""What holds of every adapter inside the tower alike: identity, gradients, shares, learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from edgeclip.adapters.block import BlockAdapters, BlockSettings
from edgeclip.adapters.block_cross_modal import CrossModalBlocks, CrossModalSettings
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.deep_graph import DeepGraph
from edgeclip.adapters.model import AdapterModel, FeatureGraph, Inputs
from edgeclip.adapters.pooling import ClassPooling, PoolingSettings
from edgeclip.adapters.text_tokens import TextTokens
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.token_cache import TokenCache
from edgeclip.training import TrainingRows, fit
from edgeclip.weight_hash import hash_weights
from support.samples import HASH
from support.towers import VIT, disturb, inputs_of_frames, load_tower, random_frames, random_start

IMAGES = 16


@dataclass(frozen=True)
class Bench:
    """A tower cut below its last two blocks, a class matrix and 16 random images."""

    backbone: Backbone
    start: ZeroShot
    graph: DeepGraph
    inputs: Inputs

    @property
    def tokens(self) -> Tensor:
        assert isinstance(self.inputs.tokens, Tensor)
        return self.inputs.tokens


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    backbone = load_tower(tmp_path_factory.mktemp("tower") / "t", VIT | {"pool_type": "avg"})
    lower, upper = backbone.split(1)
    start = random_start(backbone.base.embed_dim)
    inputs = inputs_of_frames(backbone, lower, random_frames(IMAGES))
    return Bench(backbone, start, DeepGraph(upper), inputs)


def _block(_bench: Bench) -> Component:
    return BlockAdapters(32, 3, BlockSettings(last=2, hidden=12, dropout=0))


def _cross(bench: Bench) -> Component:
    generator = torch.Generator().manual_seed(5)
    features = normalize(torch.randn(8, bench.start.weights.shape[0], generator=generator), dim=1)
    return CrossModalBlocks(32, 3, TextTokens(features, HASH), CrossModalSettings(2, 8))


def _pooling(bench: Bench) -> Component:
    return ClassPooling(bench.start, PoolingSettings(attention=24))


Maker = Callable[[Bench], Component]
MAKERS: dict[str, Maker] = {"block": _block, "block_xmodal": _cross, "pooling": _pooling}


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Maker:
    maker: Maker = request.param
    return maker


def _fresh(bench: Bench, make: Maker) -> tuple[Component, AdapterModel]:
    torch.manual_seed(0)
    component = make(bench)
    return component, AdapterModel(bench.start, [component], bench.graph)


def _zero_shot(bench: Bench) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = AdapterModel(bench.start, (), FeatureGraph())(bench.inputs).logits
    return logits


def _logits(bench: Bench, slots: dict[str, Tensor]) -> Tensor:
    with torch.inference_mode():
        return bench.graph(bench.inputs, bench.graph.neutral(bench.start) | slots).logits


def test_invariant_1_a_fresh_adapter_is_zero_shot_bit_for_bit(bench: Bench, make: Maker) -> None:
    _, model = _fresh(bench, make)
    with torch.inference_mode():
        assert torch.equal(model(bench.inputs).logits, _zero_shot(bench))


def test_invariants_2_and_3_share_0_is_zero_shot_1_is_what_was_learned(
    bench: Bench, make: Maker
) -> None:
    component, model = _fresh(bench, make)
    disturb(component)
    model.eval()
    assert torch.equal(_logits(bench, component.slots(0.0)), _zero_shot(bench))
    with torch.inference_mode():
        learned = model(bench.inputs).logits
    assert torch.equal(_logits(bench, component.slots(1.0)), learned)
    assert not torch.allclose(learned, _zero_shot(bench), atol=1e-2)
    near = _logits(bench, component.slots(1e-4)) - _zero_shot(bench)
    assert 0 < float(near.abs().max()) < 0.05


def test_invariant_38_a_larger_share_leads_further_from_zero_shot(
    bench: Bench, make: Maker
) -> None:
    component, model = _fresh(bench, make)
    disturb(component)
    model.eval()
    zero_shot = _zero_shot(bench)
    moves = [
        float((_logits(bench, component.slots(share)) - zero_shot).norm())
        for share in (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert moves == sorted(moves)
    assert moves[-1] > moves[0] == 0


def test_invariant_15_first_only_what_starts_at_zero_learns_then_all_does(
    bench: Bench, make: Maker
) -> None:
    component, model = _fresh(bench, make)
    optimizer = torch.optim.SGD(component.parameters(), lr=1e-4)
    seen: list[dict[str, float]] = []
    for _ in range(3):
        optimizer.zero_grad()
        model(bench.inputs).logits.square().sum().backward()
        seen.append(
            {
                name: 0.0 if p.grad is None else float(p.grad.abs().sum())
                for name, p in component.named_parameters()
            }
        )
        optimizer.step()
    first = {name for name, value in seen[0].items() if value > 0}
    at_zero = {name for name in seen[0] if name.split(".")[-1] in _ZERO_AT_START}
    assert first == at_zero
    assert all(value > 0 for value in seen[2].values())
    assert all(np.isfinite(value) for step in seen for value in step.values())


_ZERO_AT_START = {"up", "up_bias", "w_o", "b_o", "out", "gate"}


def test_invariant_18_gradients_equal_finite_differences_in_double_precision(
    bench: Bench, make: Maker
) -> None:
    component, _ = _fresh(bench, make)
    disturb(component)
    component.double().eval()
    slots = {name: slot.double() for name, slot in bench.graph.neutral(bench.start).items()}
    upper, tokens = bench.graph.model.upper, bench.tokens[:2].double()
    upper.double()
    try:
        _compare_slopes(bench, component, slots, tokens)
    finally:
        upper.float()


def _compare_slopes(
    bench: Bench, component: Component, slots: dict[str, Tensor], tokens: Tensor
) -> None:
    def loss() -> Tensor:
        outputs = bench.graph.model(tokens, slots | component.slots(0.7))
        value: Tensor = (outputs.head.logits.sin() * outputs.head.probabilities).sum()
        return value

    loss().backward()  # type: ignore[no-untyped-call]
    rng, step = np.random.default_rng(0), 1e-6
    for parameter in component.parameters():
        assert parameter.grad is not None
        flat, slope = parameter.data.view(-1), parameter.grad.view(-1)
        for index in rng.integers(0, len(flat), 3):
            kept = flat[index].item()
            sides = []
            for change in (step, -step):
                flat[index] = kept + change
                with torch.no_grad():
                    sides.append(float(loss()))
            flat[index] = kept
            expected = (sides[0] - sides[1]) / (2 * step)
            assert float(slope[index]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def _rows(bench: Bench, classes: list[int]) -> TrainingRows:
    cache = TokenCache(None)
    keys = [str(number) for number in range(IMAGES)]
    cache.put(keys, bench.tokens.numpy())
    features = Features(bench.inputs.z.numpy(), bench.inputs.f.numpy(), cache.rows(keys))
    places = [f"place {number % 4}" for number in range(IMAGES)]
    return TrainingRows(features, np.asarray(classes, np.int64), places, np.arange(IMAGES))


def test_invariants_14_and_36_sixteen_images_are_learned_and_the_base_stays(
    bench: Bench, make: Maker
) -> None:
    classes = np.random.default_rng(3).integers(0, 3, IMAGES).tolist()
    _, model = _fresh(bench, make)
    before = hash_weights(bench.backbone.tower.state_dict())
    recipe = Recipe(steps=200, batch=16, learning_rate=0.01, kl=0, weight_decay=0)
    fit(model, _rows(bench, classes), recipe)
    with torch.inference_mode():
        logits = model(bench.inputs).logits
    columns = bench.start.columns
    by_class = torch.stack([logits[:, columns == c].logsumexp(1) for c in range(3)], dim=1)
    assert by_class.argmax(1).tolist() == classes
    assert float(cross_entropy(by_class, torch.tensor(classes))) < 0.5
    assert hash_weights(bench.backbone.tower.state_dict()) == before
    assert all(parameter.grad is None for parameter in bench.backbone.tower.parameters())
    assert not any(module.training for module in bench.graph.upper.modules())


def test_the_same_seed_gives_the_same_bits(bench: Bench, make: Maker) -> None:
    rows = _rows(bench, [0, 1, 2, 0] * 4)

    def learned() -> dict[str, Tensor]:
        component, model = _fresh(bench, make)
        fit(model, rows, Recipe(steps=4, batch=8, seed=7))
        return component.slots()

    one, other = learned(), learned()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_adapters_are_taken_out_without_a_trace(bench: Bench) -> None:
    torch.manual_seed(0)
    parts = [make(bench) for make in MAKERS.values()]
    for number, part in enumerate(parts):
        disturb(part, seed=number)
    model = AdapterModel(bench.start, parts, bench.graph).eval()
    with torch.inference_mode():
        together = model(bench.inputs).logits
        alone = AdapterModel(bench.start, parts[:1], bench.graph).eval()(bench.inputs).logits
        again = _logits(bench, parts[0].slots())
    assert torch.equal(alone, again)
    assert not torch.allclose(together, alone)
