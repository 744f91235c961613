"""Invariants that hold for every head-level and training-free method."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from edgeclip.adapters.blend import make_blend
from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.clip_adapter import ClipAdapter
from edgeclip.adapters.component import Component
from edgeclip.adapters.gda import make_gda
from edgeclip.adapters.linear import LinearAdapter, ProjectionAdapter
from edgeclip.adapters.linear_probe import make_linear_probe
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.proker import make_proker
from edgeclip.adapters.support import Support, folds
from edgeclip.adapters.task_residual import TaskResidual
from edgeclip.adapters.tip import make_tip, make_tip_f
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.losses import class_loss
from edgeclip.training import TrainingRows, fit
from support.supports import EMBED_DIM, support

WIDTH = 16
Make = Callable[[Support], Component]

PROJECTION = torch.randn(WIDTH, EMBED_DIM, generator=torch.Generator().manual_seed(9)) / 4


def _visual(_: Support) -> Component:
    torch.manual_seed(0)
    return VisualAdapter(EMBED_DIM, reduction=1, ratio=1.0)


TRAINED: dict[str, Make] = {
    "head": lambda few: ClassHead(few.start.head, few.start.columns, 0.1 * torch.ones(3)),
    "taskres": lambda few: TaskResidual(few.start.head),
    "linear": lambda _: LinearAdapter(PROJECTION, anchor=1e-3),
    "proj": lambda _: ProjectionAdapter(PROJECTION, anchor=1e-3),
    "visual": _visual,
    "tip_f": make_tip_f,
}
TRAINING_FREE: dict[str, Make] = {
    "gda": make_gda,
    "tip": make_tip,
    "proker": make_proker,
    "lp++": make_linear_probe,
    "blend": make_blend,
}
ALL = TRAINED | TRAINING_FREE
STARTS_AT_ZERO_SHOT = sorted(set(TRAINED) - {"tip_f"})
trained = pytest.mark.parametrize("name", sorted(TRAINED))
every = pytest.mark.parametrize("name", sorted(ALL))


def _golden() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    z = torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(3))
    return z.numpy(), (z @ PROJECTION).numpy()


def _stored(part: Component, start: ZeroShot, share: float) -> NDArray[np.float32]:
    stored = AdapterModel(start, [part]).pack_tensors(share)
    return np.asarray(run_head(*_golden(), stored).logits.numpy())


def _moved(name: str, few: Support) -> Component:
    """A component as after some training: nothing of it is zero."""
    part = ALL[name](few)
    generator = torch.Generator().manual_seed(1)
    for parameter in part.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return part


def _rows(few: Support, labels: NDArray[np.int64]) -> TrainingRows:
    z, f = few.features.numpy() @ np.linalg.pinv(PROJECTION.numpy()), few.features.numpy()
    return TrainingRows(
        Features(z.astype(np.float32), f), labels, few.locations, np.arange(len(labels))
    )


@pytest.mark.parametrize("name", STARTS_AT_ZERO_SHOT)
def test_invariant_1_a_fresh_pack_gives_zero_shot_bit_for_bit(name: str) -> None:
    few = support()
    np.testing.assert_array_equal(
        _stored(ALL[name](few), few.start, 1.0), _stored(ALL[name](few), few.start, 0.0)
    )


@every
def test_invariants_2_and_3_share_zero_is_zero_shot_and_the_path_is_continuous(name: str) -> None:
    few = support()
    part = _moved(name, few)
    zero_shot = run_head(*_golden(), AdapterModel(few.start, ()).pack_tensors()).logits.numpy()
    np.testing.assert_array_equal(_stored(part, few.start, 0.0), zero_shot)
    path = [_stored(part, few.start, share / 64) for share in range(65)]
    steps = [float(np.abs(b - a).max()) for a, b in itertools.pairwise(path)]
    assert max(steps) < 0.25 * float(np.ptp(np.stack(path), axis=0).max())
    with torch.no_grad():
        z, f = (torch.from_numpy(array) for array in _golden())
        live = AdapterModel(few.start, [part])(Inputs(z, f)).logits.numpy()
    np.testing.assert_allclose(path[-1], live, atol=1e-5)


@every
def test_invariant_38_the_way_from_zero_shot_grows_with_the_share(name: str) -> None:
    few = support()
    part = _moved(name, few)
    zero_shot = _stored(part, few.start, 0.0)
    ways = [np.linalg.norm(_stored(part, few.start, s / 8) - zero_shot) for s in range(9)]
    assert ways == sorted(ways)
    assert ways[-1] > 0.01


@trained
def test_invariant_14_nothing_but_the_component_gets_a_gradient_or_changes(name: str) -> None:
    few = support()
    part = TRAINED[name](few)
    before = {key: tensor.clone() for key, tensor in few.start.slots().items()}
    kept = {key: tensor.clone() for key, tensor in part.named_buffers()}
    model = AdapterModel(few.start, [part])
    fit(model, _rows(few, few.classes.numpy()), Recipe(steps=3, batch=8))
    assert all(torch.equal(tensor, before[key]) for key, tensor in few.start.slots().items())
    assert all(torch.equal(tensor, kept[key]) for key, tensor in part.named_buffers())
    assert all(tensor.grad is None for tensor in (few.start.weights, few.start.bias))
    assert any(parameter.grad is not None for parameter in part.parameters())


@trained
def test_invariant_15_by_the_second_step_every_trained_tensor_has_a_gradient(name: str) -> None:
    few = support()
    model = AdapterModel(few.start, [TRAINED[name](few)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = _rows(few, few.classes.numpy())
    z, f = torch.from_numpy(rows.features.z), torch.from_numpy(rows.features.f)
    seen = []
    for _ in range(2):
        optimizer.zero_grad()
        class_loss(model(Inputs(z, f)).logits, few.classes, few.start.columns).backward()  # type: ignore[no-untyped-call]
        seen.append({key: bool(p.grad.any()) for key, p in model.named_parameters()})  # type: ignore[union-attr]
        optimizer.step()
    if name == "visual":
        assert seen[0] == {"components.visual.down": False, "components.visual.up": True}
    assert all(seen[1].values()), seen


@trained
def test_invariant_18_gradients_equal_finite_differences(name: str) -> None:
    few = support()
    part = _moved(name, few).double()
    model = AdapterModel(few.start, [part])
    names = [key for key, _ in part.named_parameters()]
    z, f = (torch.from_numpy(array[:3]).double() for array in _golden())
    neutral = {key: slot.double() for key, slot in model.graph.neutral(few.start).items()}

    def logits(*values: torch.Tensor) -> torch.Tensor:
        swapped = dict(zip(names, values, strict=True))
        own = torch.func.functional_call(
            _Bound(part, few.start), {f"part.{k}": v for k, v in swapped.items()}, ()
        )
        slots = neutral | {key: slot.double() for key, slot in own.items()}
        found: torch.Tensor = model.graph(Inputs(z, f), slots).logits
        return found

    values = tuple(p.detach().clone().requires_grad_() for _, p in part.named_parameters())
    assert gradcheck(logits, values, eps=1e-6, atol=1e-5)


class _Bound(torch.nn.Module):
    """The slots of one component as a function of its parameters."""

    def __init__(self, part: Component, start: ZeroShot) -> None:
        super().__init__()
        self.part, self.start = part, start

    def forward(self) -> dict[str, torch.Tensor]:
        head = self.start.head
        exact = type(head)(head.weights.double(), head.bias.double())
        after = self.part.head(exact)
        slots = {**self.start.slots(), **self.part.slots()}
        return {**slots, "class_weights": after.weights, "class_bias": after.bias}


def test_invariant_18_for_clip_adapter_which_has_no_slots() -> None:
    torch.manual_seed(0)
    part = ClipAdapter.fresh(EMBED_DIM).double()
    f = torch.randn(3, EMBED_DIM, dtype=torch.float64)

    def features(down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        part.down, part.up = torch.nn.Parameter(down), torch.nn.Parameter(up)
        moved = torch.relu(torch.relu(f @ down) @ up)
        expected = normalize(0.2 * moved + 0.8 * f, dim=1)
        torch.testing.assert_close(part.features(f), expected)
        return expected

    values = tuple(p.detach().clone().requires_grad_() for p in (part.down, part.up))
    assert gradcheck(features, values, eps=1e-6, atol=1e-5)


@trained
def test_invariant_36_sixteen_random_images_are_learned_whatever_their_labels(name: str) -> None:
    few = support((6, 5, 5), noise=2.0, seed=4)
    labels = np.random.default_rng(0).permutation(few.classes.numpy())
    mixed = Support(few.features, torch.from_numpy(labels), few.start, few.locations)
    part = TRAINED[name](mixed)
    model = AdapterModel(few.start, [part])
    rows = _rows(few, labels)
    fit(model, rows, Recipe(steps=150, batch=16, kl=0.0, learning_rate=3e-2, weight_decay=0.0))
    with torch.no_grad():
        logits = model(Inputs(torch.from_numpy(rows.features.z), few.features)).logits
    assert (logits.argmax(dim=1).numpy() == labels).all()


@pytest.mark.parametrize("name", sorted(TRAINING_FREE))
def test_invariant_36_shuffled_labels_leave_left_out_images_at_chance(name: str) -> None:
    few = support((60, 60, 60), noise=0.3)
    generator = torch.Generator().manual_seed(7)
    labels = few.classes[torch.randperm(180, generator=generator)]
    places = [f"loc{index % 6}" for index in range(180)]
    mixed = Support(few.features, labels, few.start, places)
    right = 0
    for part in folds(mixed):
        rest = mixed.without(part)
        stored = AdapterModel(few.start, [TRAINING_FREE[name](rest)]).pack_tensors()
        f = mixed.features[part].numpy()
        said = run_head(f[:, :1], f, stored).logits.argmax(dim=1)
        right += int((said == mixed.classes[part]).sum())
    assert abs(right / 180 - 1 / 3) < 0.1, "2.8 standard deviations"
