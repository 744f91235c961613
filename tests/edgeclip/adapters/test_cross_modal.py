from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeclip.adapters.cross_modal import (
    Attention,
    attend,
    fold_norm,
    full_attend,
    full_bake,
    kv_attend,
    kv_bake,
)

D, E, M, N, WIDTH = 12, 10, 5, 7, 8
Doubles = NDArray[np.float64]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).mul(shape[0] ** -0.5)


def _weights() -> Attention:
    """Weights as after some training: none is zero."""
    shapes = ((D, WIDTH), (WIDTH,), (E, WIDTH), (E, WIDTH), (WIDTH,), (WIDTH, D), (D,))
    return Attention(*(_random(*shape, seed=seed) for seed, shape in enumerate(shapes)))


@pytest.fixture
def x() -> Tensor:
    return 3 * _random(2, N, D, seed=10)


@pytest.fixture
def tokens() -> Tensor:
    return 3 * _random(M, E, seed=11)


def _in_numpy(
    x: Tensor, tokens: Tensor, weights: Attention, heads: int, null: float | None
) -> Doubles:
    """The formula of the design, written a second time: one query and one head at a time."""
    w = Attention(*(part.double().numpy() for part in weights))  # type: ignore[arg-type]
    rows, tau = x.double().numpy().reshape(-1, D), tokens.double().numpy()
    size, result = WIDTH // heads, np.zeros((len(rows), D))
    for index, row in enumerate(rows):
        parts = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            q = (row @ w.w_q + w.b_q)[own]
            logits = [float(q @ (t @ w.w_k)[own]) / size**0.5 for t in tau]
            values = [(t @ w.w_v + w.b_v)[own] for t in tau]
            if null is not None:
                logits, values = [*logits, null], [*values, np.zeros(size)]
            powers = np.exp(logits)
            parts.append(np.einsum("c,cd->d", powers / powers.sum(), np.stack(values)))
        result[index] = np.concatenate(parts) @ w.w_o + w.b_o
    return result.reshape(x.shape)


@pytest.mark.parametrize("null", [None, 0.0, 1.5], ids=["no-null", "null", "null-1.5"])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_live_branch_equals_the_formula_in_numpy(
    x: Tensor, tokens: Tensor, heads: int, null: float | None
) -> None:
    found = attend(x, tokens, _weights(), heads=heads, null=null)
    np.testing.assert_allclose(
        found.numpy(), _in_numpy(x, tokens, _weights(), heads, null), atol=1e-5
    )


@pytest.mark.parametrize("null", [None, 0.0, 1.5], ids=["no-null", "null", "null-1.5"])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_invariant_19_both_bakes_equal_the_live_branch(
    x: Tensor, tokens: Tensor, heads: int, null: float | None
) -> None:
    live = attend(x, tokens, _weights(), heads=heads, null=null)
    kv = kv_attend(x, kv_bake(tokens, _weights(), heads=heads, null=null))
    full = full_attend(x, full_bake(tokens, _weights(), heads=heads, null=null))
    torch.testing.assert_close(kv, live, atol=1e-5, rtol=0)
    torch.testing.assert_close(full, live, atol=1e-5, rtol=0)


def test_invariant_19_the_affine_of_a_norm_folds_into_both_bakes(x: Tensor, tokens: Tensor) -> None:
    scale, shift = 1 + _random(D, seed=20), _random(D, seed=21)
    live = attend(x * scale + shift, tokens, _weights(), heads=2)
    folded = fold_norm(_weights(), scale, shift)
    for found in (
        kv_attend(x, kv_bake(tokens, folded, heads=2)),
        full_attend(x, full_bake(tokens, folded, heads=2)),
    ):
        torch.testing.assert_close(found, live, atol=1e-5, rtol=0)


def test_the_sizes_of_the_bakes_are_those_of_the_design(tokens: Tensor) -> None:
    kv = kv_bake(tokens, _weights(), heads=4)
    assert kv.keys.shape == (4, 2, M + 1)
    assert kv.values.shape == (4, M + 1, 2)
    full = full_bake(tokens, _weights(), heads=4)
    assert full.qk.shape == (D, 4 * (M + 1))
    assert full.qk_bias.shape == (4 * (M + 1),)
    assert full.vo.shape == (4 * (M + 1), D)


def test_invariant_20_the_order_and_the_number_of_copies_of_the_sentences_do_not_matter(
    x: Tensor, tokens: Tensor
) -> None:
    once = attend(x, tokens, _weights(), heads=2, null=None)
    order = torch.tensor([3, 0, 4, 1, 2])
    for other in (tokens[order], tokens.repeat(3, 1)):
        found = attend(x, other, _weights(), heads=2, null=None)
        torch.testing.assert_close(found, once, atol=1e-6, rtol=0)


def test_invariant_20_visual_tokens_in_another_order_give_the_same_rows_in_that_order(
    x: Tensor, tokens: Tensor
) -> None:
    order = torch.tensor([6, 2, 0, 5, 1, 4, 3])
    found = attend(x[:, order], tokens, _weights(), heads=2)
    expected = attend(x, tokens, _weights(), heads=2)[:, order]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_with_a_high_null_logit_every_query_attends_to_nothing(x: Tensor, tokens: Tensor) -> None:
    found = attend(x, tokens, _weights(), null=1e4)
    torch.testing.assert_close(found, _weights().b_o.expand_as(found), atol=1e-6, rtol=0)


def test_a_zero_output_projection_makes_the_branch_exactly_zero(x: Tensor, tokens: Tensor) -> None:
    start = _weights()._replace(w_o=torch.zeros(WIDTH, D), b_o=torch.zeros(D))
    assert not attend(x, tokens, start).any()
    assert not kv_attend(x, kv_bake(tokens, start)).any()
    assert not full_attend(x, full_bake(tokens, start)).any()


@pytest.mark.parametrize("form", ["live", "kv", "full"])
def test_invariant_18_gradients_equal_finite_differences_in_double_precision(
    x: Tensor, tokens: Tensor, form: str
) -> None:
    weights = [part.double().requires_grad_() for part in _weights()]

    def branch(*parts: Tensor) -> Tensor:
        own = Attention(*parts)
        if form == "live":
            return attend(x.double(), tokens.double(), own, heads=2)
        if form == "kv":
            return kv_attend(x.double(), kv_bake(tokens.double(), own, heads=2))
        return full_attend(x.double(), full_bake(tokens.double(), own, heads=2))

    assert torch.autograd.gradcheck(branch, weights)
