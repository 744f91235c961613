from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import AdapterModel, FeatureGraph
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.fit_state import EVERY_S, Checkpoint, FitState
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.run_folder import RunFolder
from edgeclip.training import TrainingRows
from support.clocks import Stepping

RECIPE = Recipe(steps=12, batch=16, learning_rate=0.002, seed=1, view_kl=0.1)
METHOD = "visual+head"


def _rows() -> TrainingRows:
    rng = np.random.default_rng(0)
    z, f = (rng.normal(size=(24, width)).astype(np.float32) for width in (16, 24))
    classes = rng.integers(0, 2, 24)
    return TrainingRows(Features(z, f), classes, [f"P{i % 3}" for i in range(24)], np.arange(24))


def _start(scale: float = 20.0) -> ZeroShot:
    text = normalize(torch.randn(2, 24, generator=torch.Generator().manual_seed(7)), dim=1)
    return ZeroShot.of(text, [0, 1], scale)


def _fitted(
    checkpoint: Checkpoint | None = None,
    advance: Callable[[float], None] = lambda _: None,
    method: str = METHOD,
) -> AdapterModel:
    return fitted(
        parse_method(method),
        Base(_start(), FeatureGraph()),
        _rows(),
        RECIPE,
        advance=advance,
        checkpoint=checkpoint,
    )


def _stopping_at(step: int, losses: list[float]) -> Callable[[float], None]:
    def advance(loss: float) -> None:
        losses.append(loss)
        if len(losses) == step:
            raise KeyboardInterrupt

    return advance


def _same(first: AdapterModel, second: AdapterModel) -> bool:
    ours, theirs = first.pack_tensors(), second.pack_tensors()
    return all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def _run(folder: Path, by_s: float = EVERY_S) -> RunFolder:
    return RunFolder(folder, "e" * 64, clock=Stepping(by_s))


@pytest.mark.parametrize("step", [1, 2, 7, 11, 12])
def test_a_fit_interrupted_at_any_step_continues_to_the_same_bits(
    step: int, tmp_path: Path
) -> None:
    whole: list[float] = []
    model = _fitted(advance=whole.append)
    first = _run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        _fitted(Checkpoint(first, "fit"), _stopping_at(step, []))
    second, losses = _run(tmp_path), list[float]()
    assert _same(_fitted(Checkpoint(second, "fit"), losses.append), model)
    assert losses == whole
    assert second.taken.steps == step - 1  # the step that was reported was not yet written


def test_a_fit_interrupted_again_and_again_comes_to_the_same_bits(tmp_path: Path) -> None:
    for step in (3, 6, 10):
        with pytest.raises(KeyboardInterrupt):
            _fitted(Checkpoint(_run(tmp_path), "fit"), _stopping_at(step, []))
    assert _same(_fitted(Checkpoint(_run(tmp_path), "fit")), _fitted())


def test_a_state_is_written_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _fitted(Checkpoint(_run(tmp_path, by_s=EVERY_S / 4), "fit"), _stopping_at(8, []))
    again = _run(tmp_path)
    _fitted(Checkpoint(again, "fit"))
    assert again.taken.steps == 4


def test_a_fit_whose_end_is_kept_is_not_done_again(tmp_path: Path) -> None:
    model = _fitted(Checkpoint(_run(tmp_path, by_s=0), "fit", keeps_end=True))
    again = _run(tmp_path, by_s=0)
    assert _same(_fitted(Checkpoint(again, "fit", keeps_end=True)), model)
    assert again.taken.steps == RECIPE.steps


def test_a_state_of_another_model_is_left_aside_and_the_fit_starts_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _fitted(Checkpoint(_run(tmp_path), "fit", keeps_end=True), method="head")
    again = _run(tmp_path)
    assert _same(_fitted(Checkpoint(again, "fit")), _fitted())
    assert again.taken.steps == 0
    assert "is missing or has another shape): computed again" in caplog.text


def test_momentum_and_moments_come_back_in_the_layout_they_had() -> None:
    def state() -> FitState:
        torch.manual_seed(0)
        turned = torch.randn(3, 2).T.requires_grad_()  # not contiguous, as a shared matrix may be
        flat = torch.randn(4).requires_grad_()
        optimizers = [torch.optim.AdamW([turned], lr=0.1), torch.optim.SGD([flat], 0.1, 0.9)]
        return FitState(
            [turned, flat], [turned.detach().clone(), flat.detach().clone()], optimizers
        )

    def step(own: FitState, number: int) -> None:
        for parameter, optimizer in zip(own.parameters, own.optimizers, strict=True):
            parameter.grad = torch.full_like(parameter, 0.1 * number)
            optimizer.step()
        own.losses.append(float(number))

    whole, half, rest = state(), state(), state()
    for number in (1, 2, 3, 4):
        step(whole, number)
    for number in (1, 2):
        step(half, number)
    rest.load(half.arrays())
    for number in (3, 4):
        step(rest, number)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters, rest.parameters, strict=True))
    assert rest.losses == [1.0, 2.0, 3.0, 4.0]
    moments = [next(iter(own.optimizers[0].state.values())) for own in (whole, rest)]
    assert moments[0]["exp_avg"].stride() == moments[1]["exp_avg"].stride()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    one, other = torch.zeros(2).requires_grad_(), torch.zeros(3).requires_grad_()
    of_other = FitState([other], [other.detach() + 1], [torch.optim.SGD([other], 0.1)])
    state = FitState([one], [one.detach().clone()], [torch.optim.SGD([one], 0.1)])
    with pytest.raises(ValueError, match=r"parameter\.0 is missing or has another shape"):
        state.load(of_other.arrays())
    assert not one.any()


def test_what_is_drawn_after_a_fit_does_not_depend_on_a_resumption(tmp_path: Path) -> None:
    _fitted(Checkpoint(_run(tmp_path), "fit", keeps_end=True))
    drawn = torch.rand(3)
    _fitted(Checkpoint(_run(tmp_path), "fit", keeps_end=True))
    assert torch.equal(torch.rand(3), drawn)
