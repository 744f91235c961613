from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.cross_modal_head import CrossModalHead
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.text_tokens import TextTokens, tokens_of_kind
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.training import TrainingRows, fit

WIDTH, EMBED_DIM, M = 10, 16, 7
COLUMNS = [0, 1, 1, 2]
BOTH_BAKES = pytest.mark.parametrize("width", [4, 9], ids=["kv", "full"])


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def start() -> ZeroShot:
    return ZeroShot.of(normalize(_random(4, EMBED_DIM, seed=0), dim=1), COLUMNS, 20.0)


@pytest.fixture
def text() -> TextTokens:
    return TextTokens(normalize(_random(M, EMBED_DIM, seed=1), dim=1), "a" * 64)


def _fresh(text: TextTokens, width: int = 4) -> CrossModalHead:
    torch.manual_seed(3)
    return CrossModalHead(text, width=width, ratio=0.2)


def _trained(text: TextTokens, width: int = 4) -> CrossModalHead:
    """An adapter as after some training: nothing is zero."""
    adapter = _fresh(text, width)
    for number, parameter in enumerate(adapter.parameters()):
        parameter.data.add_(_random(*parameter.shape, seed=number))
    return adapter


def _inputs(rows: int = 6) -> Inputs:
    return Inputs(_random(rows, WIDTH, seed=5), _random(rows, EMBED_DIM, seed=6))


def _logits(start: ZeroShot, adapter: CrossModalHead, share: float = 1.0) -> NDArray[np.float32]:
    z, f = (np.asarray(part) for part in _inputs()[:2])
    tensors = AdapterModel(start, [adapter]).pack_tensors(share)
    return np.asarray(run_head(z, f, tensors).logits)


@BOTH_BAKES
def test_invariant_1_a_fresh_adapter_is_zero_shot_bit_for_bit(
    start: ZeroShot, text: TextTokens, width: int
) -> None:
    adapter = _fresh(text, width)
    np.testing.assert_array_equal(_logits(start, adapter, 1), _logits(start, adapter, 0))


def test_invariant_2_ratio_zero_is_zero_shot_for_any_weights(
    start: ZeroShot, text: TextTokens
) -> None:
    silent = AdapterModel(start, [_trained(text)]).own_slots(0.0)
    z, f = (np.asarray(part) for part in _inputs()[:2])
    tensors = {name: slot.detach().numpy() for name, slot in silent.items()}
    expected = _logits(start, _fresh(text), 0)
    np.testing.assert_array_equal(run_head(z, f, tensors).logits.numpy(), expected)


def test_invariant_3_and_38_the_way_from_zero_shot_is_continuous_and_leads_away(
    start: ZeroShot, text: TextTokens
) -> None:
    adapter = _trained(text)
    zero_shot = _logits(start, adapter, 0)
    shares = [1e-4, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0]
    moves = [np.linalg.norm(_logits(start, adapter, share) - zero_shot) for share in shares]
    assert moves[0] < 0.05
    assert moves == sorted(moves)
    with torch.no_grad():
        live = AdapterModel(start, [adapter])(_inputs()).logits
    np.testing.assert_array_equal(live, _logits(start, adapter, 1))


@pytest.mark.parametrize("kind", ["text", "random", "shuffled"])
def test_invariant_19_both_bakes_equal_the_live_adapter(text: TextTokens, kind: str) -> None:
    adapter = _trained(tokens_of_kind(text, kind, 1), width=5)
    x = normalize(_random(9, EMBED_DIM, seed=8), dim=1)
    for slots in (adapter.kv_slots(), adapter.full_slots()):
        baked = torch.softmax(x @ slots["xm_q"] @ slots["xm_k"], dim=1) @ slots["xm_v"]
        torch.testing.assert_close(baked, adapter.live(x), atol=1e-5, rtol=0)


@BOTH_BAKES
def test_the_smaller_bake_is_bound_and_gives_the_null_slot(text: TextTokens, width: int) -> None:
    slots = _trained(text, width).slots()
    inner = min(width, M)
    assert slots["xm_q"].shape == (EMBED_DIM, inner)
    assert slots["xm_k"].shape == (inner, M + 1)
    assert slots["xm_v"].shape == (M + 1, EMBED_DIM)
    assert not slots["xm_k"][:, -1].any()
    assert not slots["xm_v"][-1].any()


def test_the_adapter_equals_the_formula_in_numpy(text: TextTokens) -> None:
    adapter = _trained(text)
    named = {name: p.detach().double().numpy() for name, p in adapter.named_parameters()}
    tau = named["scale"] * text.features.double().numpy()
    f = _inputs().f.double().numpy()
    expected = []
    for row in f:
        x = row / np.linalg.norm(row)
        logits = np.array([*(x @ named["w_q"] @ (t @ named["w_k"]) / 2 for t in tau), 0.0])
        powers = np.exp(logits) / np.exp(logits).sum()
        values = np.array([t @ named["w_v"] for t in tau])
        moved = row + np.linalg.norm(row) * 0.2 * (powers[:-1] @ values @ named["w_o"])
        expected.append(moved / np.linalg.norm(moved))
    tensors = AdapterModel(
        ZeroShot.of(torch.eye(EMBED_DIM), list(range(EMBED_DIM)), 1.0), [adapter]
    ).pack_tensors()
    z, raw = (np.asarray(part) for part in _inputs()[:2])
    np.testing.assert_allclose(run_head(z, raw, tensors).image_features, expected, atol=1e-5)


@BOTH_BAKES
def test_invariant_15_first_only_w_o_has_a_gradient_then_all_have(
    start: ZeroShot, text: TextTokens, width: int
) -> None:
    adapter = _fresh(text, width)
    model, sizes = AdapterModel(start, [adapter]), []
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(_inputs()).logits.logsumexp(1).sum().backward()
        sizes.append({n: float(p.grad.abs().sum()) for n, p in adapter.named_parameters()
                      if p.grad is not None})  # fmt: skip
        optimizer.step()
    assert sizes[0]["w_o"] > 0
    assert all(sizes[0][name] == 0 for name in ("scale", "w_q", "w_k", "w_v"))
    assert len(sizes[1]) == 5
    assert all(size > 0 for size in sizes[1].values())


@pytest.mark.parametrize(("ratio", "width"), [(0.0, 4), (1.5, 4), (0.2, 0)])
def test_invariant_16_an_adapter_that_could_not_learn_is_refused(
    text: TextTokens, ratio: float, width: int
) -> None:
    with pytest.raises(ValueError, match="is not"):
        CrossModalHead(text, width=width, ratio=ratio)


@BOTH_BAKES
def test_invariant_18_gradients_equal_finite_differences_in_double_precision(
    text: TextTokens, width: int
) -> None:
    adapter = _trained(text, width).double()
    names = [name for name, _ in adapter.named_parameters()]
    f = _inputs(2).f.double()

    def features(*values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        baked = torch.func.functional_call(_Slots(adapter), _prefixed(named), (f,))
        assert isinstance(baked, Tensor)
        return baked

    points = [parameter.detach().clone().requires_grad_() for parameter in adapter.parameters()]
    assert torch.autograd.gradcheck(features, points)


def test_invariant_36_any_labels_of_sixteen_images_are_learned_in_300_steps(
    start: ZeroShot, text: TextTokens
) -> None:
    rng = np.random.default_rng(0)
    z, f = rng.normal(size=(16, WIDTH)), rng.normal(size=(16, EMBED_DIM))
    features = Features(z.astype(np.float32), f.astype(np.float32))
    labels = rng.integers(0, 3, 16).astype(np.int64)
    rows = TrainingRows(features, labels, ["A"] * 16, np.arange(16))
    recipe = Recipe(steps=300, batch=32, learning_rate=0.01, kl=0.0)
    adapter = _fresh(text, width=12)
    tensors = fit(AdapterModel(start, [adapter]), rows, recipe).pack_tensors()
    likeliest = run_head(features.z, features.f, tensors).logits.numpy().argmax(1)
    np.testing.assert_array_equal(np.asarray(COLUMNS)[likeliest], labels)


class _Slots(torch.nn.Module):
    """What the head makes of the adapter's slots, as a function of its parameters."""

    def __init__(self, adapter: CrossModalHead) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, f: Tensor) -> Tensor:
        slots = {name: slot.to(f.dtype) for name, slot in self.adapter.slots().items()}
        x = normalize(f, dim=1)
        attention = torch.softmax(x @ slots["xm_q"] @ slots["xm_k"], dim=1)
        return normalize(x + slots["xm_ratio"] * (attention @ slots["xm_v"]), dim=1)


def _prefixed(named: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"adapter.{name}": value for name, value in named.items()}
