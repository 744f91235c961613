from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.proker import (
    GAP,
    GAPS,
    RIDGE,
    RIDGES,
    KernelRegression,
    KernelSettings,
    balanced_loss,
    centred,
    chosen_settings,
    kernel,
    make_proker,
    sharpness,
    targets,
)
from edgeclip.adapters.support import Support, folds
from support.supports import queries, support


def _logits(few: Support, settings: KernelSettings | None, f: torch.Tensor) -> torch.Tensor:
    model = AdapterModel(few.start, [make_proker(few, settings)])
    logits: torch.Tensor = model(Inputs(f[:, :1], f)).logits
    return logits


def test_invariant_8_the_cache_slot_equals_the_closed_form_in_numpy() -> None:
    few = support((3, 4, 5))
    x, f = few.features.double().numpy(), normalize(queries().double(), dim=1).numpy()
    squared = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    gamma = 1 / (2 * np.sort(squared[np.triu_indices(12, 1)])[(66 - 1) // 2])
    across = np.exp(-gamma * ((f[:, None] - x[None]) ** 2).sum(axis=2))
    start = few.start_logits(few.features).numpy()
    labels = 10 * np.eye(3)[few.classes.numpy()]
    residual = labels - labels.mean(axis=1, keepdims=True) - start + start.mean(1, keepdims=True)
    added = across @ np.linalg.solve(np.exp(-gamma * squared) + 0.3 * np.eye(12), residual)
    expected = few.start_logits(torch.from_numpy(f)).numpy() + added
    found = _logits(few, KernelSettings(0.3, 10.0), queries())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_invariant_8_an_infinite_ridge_is_zero_shot() -> None:
    few = support()
    plain = AdapterModel(few.start, ())(Inputs(queries()[:, :1], queries())).logits
    found = _logits(few, KernelSettings(1e9, 10.0), queries())
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)


def test_invariant_8_without_a_ridge_it_passes_through_the_support() -> None:
    few = support(noise=2.0)
    regression = KernelRegression.of(few)
    residual = targets(few, 10.0) - centred(few.start_logits(few.features))
    solved = regression.coefficients(residual, 1e-12)
    torch.testing.assert_close(regression.matrix @ solved, residual, atol=1e-8, rtol=0)
    found = _logits(few, KernelSettings(1e-12, 10.0), few.features)
    wanted = targets(few, 10.0)
    torch.testing.assert_close(centred(found.double()), wanted, atol=1e-4, rtol=0)


def test_leaving_out_by_the_hat_matrix_equals_fitting_again_without_those_images() -> None:
    few = support((4, 5, 6), locations=4)
    regression = KernelRegression.of(few)
    residual = targets(few, 3.0) - centred(few.start_logits(few.features))
    parts = folds(few)
    left = regression.left_out(residual, 0.2, parts)
    for part in parts:
        rest = torch.ones(15, dtype=torch.bool)
        rest[part] = False
        x = few.exact
        inner = kernel(x[rest], x[rest], regression.beta) + 0.2 * torch.eye(int(rest.sum()))
        solved = torch.linalg.solve(inner, residual[rest])
        predicted = kernel(x[part], x[rest], regression.beta) @ solved
        torch.testing.assert_close(left[part], residual[part] - predicted)


def test_the_settings_are_those_with_the_least_loss_on_left_out_images() -> None:
    few = support((6, 6, 6), noise=1.5)
    regression = KernelRegression.of(few)
    start = centred(few.start_logits(few.features))
    rows, parts = torch.cat(folds(few)), folds(few)
    losses = {
        (ridge, gap): float(
            balanced_loss(
                few,
                (targets(few, gap) - regression.left_out(targets(few, gap) - start, ridge, parts))[
                    rows
                ],
                rows,
            )
        )
        for ridge in RIDGES
        for gap in GAPS
    }
    chosen = chosen_settings(few, regression, start)
    assert (chosen.ridge, chosen.gap) == min(losses, key=lambda pair: losses[pair])


def test_one_image_a_class_takes_the_defaults() -> None:
    few = support((1, 1, 1))
    start = centred(few.start_logits(few.features))
    chosen = chosen_settings(few, KernelRegression.of(few), start)
    assert chosen == KernelSettings(RIDGE, GAP)


def test_the_loss_counts_each_class_alike() -> None:
    few = support((2, 2, 2))
    rows = torch.tensor([0, 1, 2, 3, 4, 5])
    many = torch.cat([rows, torch.nonzero(few.classes == 1).flatten().repeat(5)])
    logits = few.start_logits(few.features)
    torch.testing.assert_close(
        balanced_loss(few, logits, rows), balanced_loss(few, logits[many], many)
    )


def test_images_that_are_all_alike_do_not_break_the_kernel() -> None:
    same = normalize(torch.ones(4, 12), dim=1)
    assert np.isfinite(sharpness(same.double()))
    few = Support(same, torch.tensor([0, 1, 0, 1]), support((1, 1)).start, ["x"] * 4)
    assert torch.isfinite(_logits(few, None, queries())).all()
