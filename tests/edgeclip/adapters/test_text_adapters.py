from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.block import BlockSettings
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.text_adapters import TextAdapter, TextBlockAdapters
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.text_tower import TextTower, text_tower
from edgeclip.training import TrainingRows, fit
from edgeclip.weight_hash import hash_weights
from support.tiny_packs import EMBED_DIM, WIDTH, write_encoder

SENTENCES = [["a leopard", "a photo of a leopard"], ["grass and bushes"], ["an empty scene"]]
COLUMNS = [0, 1, 1]
NARROW = BlockSettings(last=2, hidden=4, scale=None, dropout=0.0)
KINDS = pytest.mark.parametrize("kind", ["text", "text_block"])


def _backbone(folder: Path) -> Backbone:
    return write_encoder(folder, text={"layers": 3, "context_length": 20}).load()


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return _backbone(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def tower(backbone: Backbone) -> TextTower:
    return text_tower(backbone)


@pytest.fixture
def start(backbone: Backbone) -> ZeroShot:
    return ZeroShot.of(backbone.embed_prompts(SENTENCES), COLUMNS, 20.0)


def _fresh(kind: str, tower: TextTower) -> Component:
    torch.manual_seed(3)
    if kind == "text":
        return TextAdapter(EMBED_DIM, reduction=4, ratio=0.2)
    return TextBlockAdapters(tower, SENTENCES, NARROW)


def _trained(kind: str, tower: TextTower, size: float = 0.3) -> Component:
    """An adapter as after some training: nothing is zero."""
    adapter = _fresh(kind, tower)
    for number, parameter in enumerate(adapter.parameters()):
        generator = torch.Generator().manual_seed(number)
        parameter.data.add_(size * torch.randn(parameter.shape, generator=generator))
    return adapter


def _logits(start: ZeroShot, adapter: Component, share: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    z, f = (rng.normal(size=(6, size)).astype(np.float32) for size in (WIDTH, EMBED_DIM))
    return np.asarray(run_head(z, f, AdapterModel(start, [adapter]).pack_tensors(share)).logits)


@KINDS
def test_invariant_1_a_fresh_adapter_is_zero_shot_bit_for_bit(
    tower: TextTower, start: ZeroShot, kind: str
) -> None:
    adapter = _fresh(kind, tower)
    assert torch.equal(adapter.head(start.head).weights, start.weights)
    with torch.no_grad():
        assert torch.equal(adapter.head(start.head).weights, start.weights)
    np.testing.assert_array_equal(_logits(start, adapter, 1), _logits(start, adapter, 0))


@KINDS
def test_invariant_2_and_3_and_38_the_way_from_zero_shot_is_continuous_and_leads_away(
    tower: TextTower, start: ZeroShot, kind: str
) -> None:
    adapter = _trained(kind, tower)
    assert torch.equal(adapter.head(start.head, 0.0).weights, start.weights)
    shares = (0, 1e-4, 0.2, 0.4, 0.6, 0.8, 1.0)
    logits = [_logits(start, adapter, share) for share in shares]
    moves = [float(np.linalg.norm(rows - logits[0])) for rows in logits]
    assert 0 < moves[1] < 0.01
    assert moves == sorted(moves)


def test_the_text_adapter_equals_the_formula_in_numpy(start: ZeroShot) -> None:
    torch.manual_seed(0)
    adapter = TextAdapter(EMBED_DIM, reduction=3, ratio=0.4)
    adapter.up.data.normal_()
    down, up = (p.detach().double().numpy() for p in (adapter.down, adapter.up))
    for column in range(3):
        t = start.weights[:, column].double().numpy()
        moved = t + 0.4 * np.maximum(t @ down, 0) @ up
        found = adapter.head(start.head).weights[:, column].detach()
        np.testing.assert_allclose(found, moved / np.linalg.norm(moved), atol=1e-6)


def test_the_text_adapter_takes_columns_as_they_were_left_before_it(start: ZeroShot) -> None:
    torch.manual_seed(0)
    adapter = TextAdapter(EMBED_DIM, reduction=3, ratio=0.4)
    adapter.up.data.normal_()
    doubled = adapter.head(Head(2 * start.weights, start.bias + 1))
    torch.testing.assert_close(doubled.weights, 2 * adapter.head(start.head).weights)
    assert torch.equal(doubled.bias, start.bias + 1)


def test_block_adapters_equal_the_text_tower_with_the_bottleneck_put_behind_its_blocks(
    tmp_path: Path,
) -> None:
    """Put into open_clip's own blocks by a hook, with nn.LayerNorm, one sentence at a time."""
    backbone = _backbone(tmp_path)  # of its own: a backbone remembers the sentences it has seen
    adapter = _trained("text_block", text_tower(backbone))
    assert isinstance(adapter, TextBlockAdapters)
    model, _ = backbone.text_model()
    handles = []
    for layer, block in zip(adapter.layers, list(model.transformer.resblocks)[-2:], strict=True):
        own = {name: value.detach() for name, value in layer.named_parameters()}
        norm = torch.nn.LayerNorm(len(own["gain"]))
        norm.weight.data, norm.bias.data = own["gain"], own["shift"]

        def hook(
            _module: object,
            _given: object,
            h: Tensor,
            own: dict[str, Tensor] = own,
            norm: torch.nn.LayerNorm = norm,
        ) -> Tensor:
            inner = torch.relu(norm(h) @ own["down"] + own["down_bias"])
            return h + own["scale"] * (inner @ own["up"] + own["up_bias"])

        handles.append(block.register_forward_hook(hook))
    try:
        expected = backbone.embed_prompts(SENTENCES)
    finally:
        for handle in handles:
            handle.remove()
    torch.testing.assert_close(adapter.features().detach(), expected, atol=1e-5, rtol=0)
    assert float((adapter.features() - adapter.start).detach().abs().max()) > 1e-3


@KINDS
def test_invariant_15_first_only_the_up_projections_have_a_gradient_then_all_have(
    tower: TextTower, start: ZeroShot, kind: str
) -> None:
    adapter = _fresh(kind, tower)
    model, sizes = AdapterModel(start, [adapter]), []
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1)
    f = torch.randn(8, EMBED_DIM, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        optimizer.zero_grad()
        model(Inputs(torch.zeros(8, WIDTH), f)).logits[:, 0].sum().backward()
        named = dict(adapter.named_parameters())
        sizes.append({n: 0.0 if p.grad is None else float(p.grad.abs().sum())
                      for n, p in named.items()})  # fmt: skip
        optimizer.step()
    for name, size in sizes[0].items():
        assert (size > 0) == (name.split(".")[-1] in ("up", "up_bias")), name
    assert all(size > 0 for size in sizes[1].values())


@pytest.mark.parametrize(("reduction", "ratio"), [(4, 0.0), (4, 1.5), (0, 0.2), (99, 0.2)])
def test_invariant_16_an_adapter_that_could_not_learn_is_refused(
    reduction: int, ratio: float
) -> None:
    with pytest.raises(ValueError, match=r"is not in|no gradient"):
        TextAdapter(EMBED_DIM, reduction=reduction, ratio=ratio)


def test_invariant_16_a_zero_scale_of_block_adapters_is_refused(tower: TextTower) -> None:
    with pytest.raises(ValueError, match="no gradient"):
        TextBlockAdapters(tower, SENTENCES, BlockSettings(scale=0.0))


def test_invariant_18_gradients_equal_finite_differences_in_double_precision() -> None:
    torch.manual_seed(0)
    adapter = TextAdapter(6, reduction=2, ratio=0.3).double()
    adapter.up.data.normal_()
    before = Head(torch.randn(6, 3).double(), torch.zeros(3).double())

    def weights(down: Tensor, up: Tensor) -> Tensor:
        named = {"adapter.down": down, "adapter.up": up}
        moved = torch.func.functional_call(_Matrix(adapter, before), named, ())
        assert isinstance(moved, Tensor)
        return moved

    points = [parameter.detach().clone().requires_grad_() for parameter in adapter.parameters()]
    assert torch.autograd.gradcheck(weights, points)


def test_invariant_18_gradients_through_the_tower_equal_finite_differences(
    tower: TextTower,
) -> None:
    """The tower is float32, so the differences are: of a step as large as float32 needs."""
    adapter = _trained("text_block", tower)
    assert isinstance(adapter, TextBlockAdapters)
    weights = torch.randn(3, EMBED_DIM, generator=torch.Generator().manual_seed(1))
    (adapter.features() * weights).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in adapter.named_parameters():
        assert parameter.grad is not None, name
        direction = parameter.grad / parameter.grad.norm()
        point, values = parameter.detach().clone(), []
        for step in (1e-2, -1e-2):
            parameter.data.copy_(point + step * direction)
            values.append(float((adapter.features() * weights).sum().detach()))
        parameter.data.copy_(point)
        slope = (values[0] - values[1]) / 2e-2
        assert slope == pytest.approx(float(parameter.grad.norm()), rel=0.03, abs=1e-3), name


@KINDS
def test_invariant_14_and_36_any_labels_are_learned_and_the_tower_stays_as_it_was(
    backbone: Backbone, tower: TextTower, start: ZeroShot, kind: str
) -> None:
    """Sixteen images that look like one another's text, which a linear head can part."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 16).astype(np.int64)
    f = start.weights.T.numpy()[1 - labels] + 0.05 * rng.normal(size=(16, EMBED_DIM))
    features = Features(np.zeros((16, WIDTH), np.float32), f.astype(np.float32))
    rows = TrainingRows(features, labels, ["A"] * 16, np.arange(16))
    text, _ = backbone.text_model()
    before = hash_weights(text.state_dict())
    recipe = Recipe(steps=150, batch=16, learning_rate=0.005, kl=0.0)
    torch.manual_seed(0)
    wide = BlockSettings(last=2, hidden=16, scale=None, dropout=0.0)
    adapter: Component = (
        TextAdapter(EMBED_DIM, reduction=1, ratio=1.0)
        if kind == "text"
        else TextBlockAdapters(tower, SENTENCES, wide)
    )
    tensors = fit(AdapterModel(start, [adapter]), rows, recipe).pack_tensors()
    assert set(tensors) == {"class_weights", "class_bias", "logit_scale"}
    likeliest = run_head(features.z, features.f, tensors).logits.numpy().argmax(1)
    np.testing.assert_array_equal(np.asarray(COLUMNS)[likeliest], labels)
    assert hash_weights(text.state_dict()) == before
    assert all(parameter.grad is None for parameter in text.parameters())


class _Matrix(torch.nn.Module):
    """The class matrix as a function of the adapter's parameters."""

    def __init__(self, adapter: TextAdapter, before: Head) -> None:
        super().__init__()
        self.adapter, self.before = adapter, before

    def forward(self) -> Tensor:
        return self.adapter.head(self.before).weights
