from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from edgeclip.adapters.component import Component
from edgeclip.adapters.head_graph import unit
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.support import Support
from edgeclip.adapters.tip import GRID, TipAdapter, balanced_values, make_tip, make_tip_f
from support.supports import SCALE, queries, support

Make = Callable[..., TipAdapter]


def _logits(few: Support, part: Component | None) -> torch.Tensor:
    model = AdapterModel(few.start, [part] if part else [])
    with torch.no_grad():
        logits: torch.Tensor = model(Inputs(queries()[:, :1], queries())).logits
    return logits


def test_parity_the_logits_equal_the_formula_in_numpy() -> None:
    few = support((2, 4, 6))
    f = queries().double().numpy()
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    one_hot = np.eye(3)[few.classes.numpy()]
    values = one_hot @ np.diag(1 / one_hot.sum(axis=0)) * 4
    cache = np.exp(-3.0 * (1 - f @ few.features.double().numpy().T)) @ values
    expected = SCALE * f @ few.start.weights.double().numpy() + 1.7 * cache
    found = _logits(few, make_tip(few, alpha=1.7, beta=3.0))
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_parity_tip_f_logits_and_the_gradient_of_its_keys_in_numpy() -> None:
    """With keys that have moved, and the loss of a balanced batch: dL/dF of the published form."""
    few = support((3, 3, 3))
    part = make_tip_f(few, alpha=1.3, beta=2.5)
    part.keys.data.add_(0.1 * torch.randn(part.keys.shape, generator=torch.manual_seed(0)))
    labels = torch.arange(9) % 3
    logits = AdapterModel(few.start, [part])(Inputs(queries()[:, :1], queries())).logits
    torch.nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]

    f = queries().double().numpy()
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    keys, values = part.keys.detach().double().numpy(), np.eye(3)[few.classes.numpy()]
    affinity = np.exp(-2.5 * (1 - f @ keys))
    expected = SCALE * f @ few.start.weights.double().numpy() + 1.3 * affinity @ values
    np.testing.assert_allclose(logits.detach().numpy(), expected, atol=2e-5)
    wrong = np.exp(expected - expected.max(axis=1, keepdims=True))
    wrong = (wrong / wrong.sum(axis=1, keepdims=True) - np.eye(3)[labels.numpy()]) / 9
    slope = f.T @ (1.3 * 2.5 * (wrong @ values.T) * affinity)
    assert part.keys.grad is not None
    np.testing.assert_allclose(part.keys.grad.numpy(), slope, atol=1e-5)


both = pytest.mark.parametrize("make", [make_tip, make_tip_f], ids=["tip", "tip_f"])


@both
def test_invariant_5_alpha_zero_is_zero_shot_bit_for_bit(make: Make) -> None:
    few = support()
    assert torch.equal(_logits(few, make(few, alpha=0.0)), _logits(few, None))


@both
def test_invariant_5_a_very_sharp_cache_answers_only_an_exact_hit(make: Make) -> None:
    few = support()
    assert torch.equal(_logits(few, make(few, beta=1e4)), _logits(few, None))
    exact = few.features.double()
    keys, values = (make(few).slots()[name].double() for name in ("cache_keys", "cache_values"))
    affinity = torch.exp(-1e4 * (1 - exact @ keys / exact.norm(dim=1, keepdim=True)))
    own = (affinity @ values)[torch.arange(12), few.classes]
    torch.testing.assert_close(own.detach(), torch.ones(12).double(), atol=2e-3, rtol=0)


@both
def test_invariant_5_a_flat_cache_adds_alpha_times_the_mass_of_each_class_which_is_even(
    make: Make,
) -> None:
    few = support((2, 4, 12))
    added = _logits(few, make(few, alpha=1.5, beta=0.0)) - _logits(few, None)
    torch.testing.assert_close(added, torch.full((9, 3), 1.5 * 6), atol=1e-5, rtol=0)


def _cache(part: TipAdapter) -> torch.Tensor:
    """What the cache adds for the queries, without the class matrix beside it."""
    f = queries() / queries().norm(dim=1, keepdim=True)
    with torch.no_grad():
        return part.alpha * (torch.exp(-part.beta * (1 - f @ part.keys)) @ part.values)


@both
def test_invariant_5_the_order_of_the_keys_does_not_matter(make: Make) -> None:
    few = support()
    moved = few.chosen(torch.randperm(12, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(_cache(make(few)), _cache(make(moved)), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        _logits(few, make(few)), _logits(moved, make(moved)), atol=1e-5, rtol=0
    )


@both
def test_invariant_5_all_keys_twice_with_values_of_the_same_mass_change_nothing(
    make: Make,
) -> None:
    """The values carry the mean number of images, as published: twice the images, half alpha."""
    few = support((2, 4, 6))
    twice = few.chosen(torch.arange(12).repeat(2))
    once, doubled = make(few, alpha=2.0), make(twice, alpha=1.0)
    torch.testing.assert_close(_cache(once), _cache(doubled), atol=1e-6, rtol=0)
    torch.testing.assert_close(_logits(few, once), _logits(twice, doubled), atol=1e-5, rtol=0)
    one_class = few.chosen(torch.cat([torch.arange(12), torch.nonzero(few.classes == 0).flatten()]))
    sums = balanced_values(one_class).sum(dim=0)
    torch.testing.assert_close(sums, sums[:1].expand(3), atol=1e-6, rtol=0)


@both
@pytest.mark.parametrize("counts", [(4, 4, 400), (1, 1, 1022)], ids=["400", "as many as fit"])
def test_invariant_5_affinities_are_at_most_one_and_the_sum_fits_half_precision(
    make: Make, counts: tuple[int, ...]
) -> None:
    few = support(counts)
    part = make(few, alpha=max(alpha for alpha, _ in GRID))
    asked = torch.cat([queries(), 7 * few.features])  # the graph normalises what it is asked
    affinities = unit(asked)[0] @ part.keys.detach()
    assert 0.999 < float(affinities.max()) <= 1 + 1e-6
    assert part.alpha * float(part.values.sum(dim=0).max()) < 6e4


def test_invariant_6_with_trained_keys_it_starts_at_the_plain_one() -> None:
    few = support()
    assert torch.equal(_logits(few, make_tip_f(few)), _logits(few, make_tip(few)))
    assert [name for name, _ in make_tip_f(few).named_parameters()] == ["keys"]
    assert not list(make_tip(few).parameters())


def test_the_grid_has_at_most_25_pairs_and_zero_is_allowed() -> None:
    assert len(GRID) <= 25
    assert 0.0 in {alpha for alpha, _ in GRID}


def test_a_negative_weight_or_sharpness_is_refused() -> None:
    with pytest.raises(ValueError, match=r"alpha -1\.0 and beta 5.5 must not be negative"):
        make_tip(support(), alpha=-1.0)
    with pytest.raises(ValueError, match="beta -2"):
        make_tip(support(), beta=-2.0)
