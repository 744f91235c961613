from __future__ import annotations

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn.functional import normalize

from edgeclip.adapters.gda import (
    Discriminant,
    Gda,
    discriminant,
    make_gda,
    shrunk_covariance,
)
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.support import Support, class_means
from support.supports import EMBED_DIM, SCALE, queries, start, support


def _logits(few: Support, share: float) -> torch.Tensor:
    model = AdapterModel(few.start, [make_gda(few)])
    f = queries()
    slots = {**model.graph.neutral(few.start), **model.own_slots(share)}
    logits: torch.Tensor = model.graph(Inputs(f[:, :1], f), slots).logits
    return logits


def test_parity_the_logits_equal_the_formula_in_numpy() -> None:
    few = support((5, 3, 7))
    x, y = few.features.double().numpy(), few.classes.numpy()
    means = np.stack([x[y == index].mean(axis=0) for index in range(3)])
    centred = x - means[y]
    covariance = centred.T @ centred / (len(x) - 1)
    shrunk = (len(x) - 1) * covariance + np.trace(covariance) * np.eye(EMBED_DIM)
    inverse = np.linalg.inv(shrunk / (len(x) - 1 + EMBED_DIM))
    bias = np.log(1 / 3) - 0.5 * np.einsum("ce,ef,cf->c", means, inverse, means)
    f = queries().double().numpy()
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    expected = SCALE * f @ few.start.weights.double().numpy() + 0.3 * (f @ inverse @ means.T + bias)
    np.testing.assert_allclose(_logits(few, 0.3).numpy(), expected, atol=2e-4)


def test_invariant_7_alpha_zero_is_zero_shot_bit_for_bit() -> None:
    few = support()
    f = normalize(queries(), dim=1)
    zero_shot = AdapterModel(few.start, ())(Inputs(f[:, :1], queries())).logits
    assert torch.equal(_logits(few, 0), zero_shot)


def test_invariant_7_a_plain_covariance_gives_the_probabilities_of_scikit_learn() -> None:
    few = support((20, 20, 20), noise=1.0)
    x, y = few.features.double(), few.classes
    within = [torch.cov(x[y == index].T, correction=0) for index in range(3)]
    scores = discriminant(few, torch.stack(within).mean(dim=0))
    own = torch.softmax(x @ scores.weights + scores.bias, dim=1)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(own.numpy(), theirs.predict_proba(x.numpy()), atol=1e-13, rtol=0)


def test_invariant_7_the_fold_equals_the_two_terms() -> None:
    few = support()
    scores = discriminant(few, shrunk_covariance(few))
    f = normalize(queries().double(), dim=1)
    two = few.start_logits(f) + 0.7 * (f @ scores.weights + scores.bias)
    torch.testing.assert_close(_logits(few, 0.7).double(), two, atol=1e-5, rtol=0)
    start = few.start
    folded = start.weights.double() + 0.7 / start.logit_scale * scores.weights
    one = start.logit_scale * f @ folded + start.bias.double() + 0.7 * scores.bias
    torch.testing.assert_close(one, two, atol=1e-12, rtol=0)


def test_invariant_7_a_constant_on_all_biases_changes_no_probability() -> None:
    few = support()
    scores = discriminant(few, shrunk_covariance(few))
    moved = Discriminant(scores.weights, scores.bias + 3.0)
    f = queries()
    said = [
        AdapterModel(few.start, [Gda(few.start, own)])(Inputs(f[:, :1], f)).probabilities
        for own in (scores, moved)
    ]
    torch.testing.assert_close(said[0], said[1], atol=1e-6, rtol=0)
    even = discriminant(few, shrunk_covariance(few), prior=torch.ones(3))
    torch.testing.assert_close(even.bias - scores.bias, torch.full((3,), np.log(3.0)).double())


def test_many_images_of_a_class_give_it_no_prior() -> None:
    even, stacked = support((4, 4, 4)), support((4, 4, 4))
    more = torch.cat([torch.arange(12), torch.nonzero(stacked.classes == 0).flatten().repeat(9)])
    uneven = stacked.chosen(more)
    shared = shrunk_covariance(even)
    one, other = discriminant(even, shared), discriminant(uneven, shared)
    torch.testing.assert_close(one.bias, other.bias)


def test_one_image_a_class_takes_the_spread_around_the_mean_of_all() -> None:
    few = support((1, 1, 1))
    centred = few.exact - few.exact.mean(dim=0)
    scatter = centred.T @ centred
    expected = (scatter + scatter.trace() / 2 * torch.eye(EMBED_DIM)) / (2 + EMBED_DIM)
    torch.testing.assert_close(shrunk_covariance(few), expected)


def test_a_class_without_images_is_neither_favoured_nor_refused() -> None:
    few = support((4, 4, 0))
    scores = discriminant(few, shrunk_covariance(few))
    logits = few.exact @ scores.weights + scores.bias
    torch.testing.assert_close(logits[:, 2], logits[:, :2].mean(dim=1))


def test_all_prototypes_of_a_class_get_its_score() -> None:
    several = support((4, 4), columns=(0, 0, 1))
    part = make_gda(several)
    assert torch.equal(part.weights[:, 0], part.weights[:, 1])
    torch.testing.assert_close(
        part.weights[:, 1:] * SCALE,
        discriminant(several, shrunk_covariance(several)).weights.float(),
    )


def test_the_means_alone_decide_with_an_even_covariance() -> None:
    few = Support(support().features, support().classes, start(), ["x"] * 12)
    scores = discriminant(few, torch.eye(EMBED_DIM, dtype=torch.float64))
    torch.testing.assert_close(scores.weights, class_means(few).T)
