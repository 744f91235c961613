"""Soft prompts and adapters trained together: gradients through both, a rate for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from edgeclip.adapters.model import AdapterModel
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.losses import class_loss
from edgeclip.methods import Base, fitted, fresh_model, parse_method
from edgeclip.training import TrainingRows, fit, inputs_of
from support.text_bases import leopard_base, separable_rows, small_text_backbone

BOTH = "visual+prompt"
Fresh = Callable[[str], AdapterModel]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return small_text_backbone(tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module")
def base(backbone: Backbone) -> Base:
    return leopard_base(backbone)


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return separable_rows()


def _context(model: AdapterModel) -> torch.Tensor:
    return model.get_parameter("components.prompt.context").detach().clone()


def _taught(name: str, base: Base, rows: TrainingRows, **recipe: object) -> AdapterModel:
    usual: dict[str, object] = {"steps": 1, "batch": 16, "ema": 0.0, "warmup": 0.0}
    return fitted(parse_method(name), base, rows, Recipe.model_validate({**usual, **recipe}))


def test_invariant_15_by_the_second_step_the_loss_has_a_slope_in_every_number_of_both(
    base: Base, rows: TrainingRows
) -> None:
    recipe = Recipe(steps=2, batch=16, learning_rate=0.01)
    model = fresh_model(parse_method(BOTH), base, rows, recipe)
    zero = {name for name, p in model.named_parameters() if _slope(model, rows, name) == 0}
    assert zero == {"components.visual.down"}  # its up-projection is zero at the start
    fit(model, rows, recipe)
    assert all(_slope(model, rows, name) > 0 for name, _ in model.named_parameters())


def _slope(model: AdapterModel, rows: TrainingRows, name: str) -> float:
    """The norm of the loss's gradient in one parameter."""
    model.zero_grad()
    logits = model(inputs_of(rows.features, np.arange(24))).logits
    classes = torch.from_numpy(rows.classes)
    class_loss(logits, classes, model.start.columns).backward()  # type: ignore[no-untyped-call]
    gradient = model.get_parameter(name).grad
    assert gradient is not None
    return float(gradient.norm())


def test_invariant_14_no_weight_of_either_tower_has_a_gradient(
    backbone: Backbone, base: Base, rows: TrainingRows
) -> None:
    _taught(BOTH, base, rows, steps=3)
    text, _ = backbone.text_model()
    frozen = [*text.parameters(), *backbone.tower.parameters()]
    assert not any(p.requires_grad or p.grad is not None for p in frozen)


def test_a_step_of_the_prompts_is_as_long_beside_an_adapter_as_alone(
    base: Base, rows: TrainingRows
) -> None:
    """At the start an adapter changes no logit; only its gradients could have shortened it."""
    alone, beside = (_taught(name, base, rows, kl=0) for name in ("prompt", BOTH))
    assert torch.equal(_context(alone), _context(beside))


def test_each_has_a_rate_of_its_own(base: Base, rows: TrainingRows) -> None:
    fresh = fresh_model(parse_method(BOTH), base, rows, Recipe())
    usual, eager, tame = (
        _taught(BOTH, base, rows, **rates)
        for rates in ({}, {"prompt_rate": 0.004}, {"learning_rate": 0.0005})
    )
    moved = [float((_context(model) - _context(fresh)).norm()) for model in (usual, eager, tame)]
    assert moved[1] == pytest.approx(2 * moved[0], rel=1e-4)
    assert moved[2] == moved[0]
    up = [model.get_parameter("components.visual.up").detach() for model in (usual, eager, tame)]
    assert torch.equal(up[0], up[1])
    torch.testing.assert_close(up[2], up[0] / 2)


def test_both_learn_what_either_can_learn(base: Base, rows: TrainingRows) -> None:
    model = _taught(BOTH, base, rows, steps=150, learning_rate=0.02, ema=0.9)
    logits = model(inputs_of(rows.features, np.arange(24))).logits
    right = model.start.columns[logits.argmax(dim=1)].numpy() == rows.classes
    assert right.mean() == 1
