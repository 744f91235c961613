from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from edgeclip.adapters.block import BlockAdapters
from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.clip_adapter import ClipAdapter
from edgeclip.adapters.component import Frozen, Head
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.visual import VisualAdapter

WIDTH, EMBED_DIM = 10, 12
COLUMNS = [0, 1, 1, 2]


@pytest.fixture
def start() -> ZeroShot:
    text = normalize(torch.randn(4, EMBED_DIM, generator=torch.Generator().manual_seed(0)), dim=1)
    return ZeroShot.of(text, COLUMNS, 20.0)


def fresh(start: ZeroShot) -> AdapterModel:
    head = ClassHead(start.head, start.columns, torch.ones(start.classes))
    return AdapterModel(start, [VisualAdapter(EMBED_DIM, reduction=4, ratio=0.2), head])


def inputs(f: torch.Tensor) -> Inputs:
    return Inputs(torch.zeros(len(f), WIDTH), f)


@pytest.fixture
def model(start: ZeroShot) -> AdapterModel:
    """A model as after some training: nothing is zero."""
    torch.manual_seed(1)
    model = fresh(start)
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture
def features() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(2)
    z, f = rng.normal(size=(7, WIDTH)), rng.normal(size=(7, EMBED_DIM))
    return z.astype(np.float32), f.astype(np.float32)


def _logits(
    features: tuple[NDArray[np.float32], NDArray[np.float32]], model: AdapterModel, ratio: float
) -> NDArray[np.float32]:
    return np.asarray(run_head(*features, model.pack_tensors(ratio)).logits.numpy())


def test_a_fresh_model_is_zero_shot_bit_for_bit(
    start: ZeroShot, features: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    model = fresh(start)
    np.testing.assert_array_equal(_logits(features, model, 1), _logits(features, model, 0))
    with torch.no_grad():
        live = model(inputs(torch.from_numpy(features[1]))).logits.numpy()
    np.testing.assert_array_equal(live, _logits(features, model, 0))


def test_ratio_zero_is_zero_shot_for_any_weights(
    model: AdapterModel, start: ZeroShot, features: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    np.testing.assert_array_equal(_logits(features, model, 0), _logits(features, fresh(start), 0))
    assert set(model.pack_tensors(0)) == {"class_weights", "class_bias", "logit_scale"}


def test_ratio_one_is_what_was_trained(
    model: AdapterModel, features: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    with torch.no_grad():
        live = model(inputs(torch.from_numpy(features[1]))).logits.numpy()
    # Stored as a sum of moves, so that parts can be taken out; a live model rounds otherwise.
    np.testing.assert_allclose(live, _logits(features, model, 1), atol=1e-5)


def test_the_way_between_is_continuous_and_leads_away_from_zero_shot(
    model: AdapterModel, features: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    zero_shot = _logits(features, model, 0)
    ratios = [0.001, 0.1, 0.2, 0.3, 0.4, 0.5]
    moves = [np.linalg.norm(_logits(features, model, ratio) - zero_shot) for ratio in ratios]
    assert moves[0] < 0.05
    assert moves == sorted(moves)


def test_the_branch_scales_with_its_input(model: AdapterModel) -> None:
    f = torch.randn(3, EMBED_DIM)
    with torch.no_grad():
        once, longer = model(inputs(f)).logits, model(inputs(5 * f)).logits
    torch.testing.assert_close(once, longer, atol=1e-4, rtol=0)


def test_columns_of_one_class_add_no_prior(start: ZeroShot) -> None:
    assert start.classes == 3
    torch.testing.assert_close(start.bias, -torch.log(torch.tensor([1.0, 2.0, 2.0, 1.0])))


def test_first_only_the_up_projection_has_a_gradient_then_all_have(start: ZeroShot) -> None:
    torch.manual_seed(0)
    model = fresh(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    f = torch.randn(8, EMBED_DIM)
    gradients = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(inputs(f)).logits.logsumexp(1).sum()
        loss.backward()
        gradients.append(
            {
                n: float(p.grad.abs().sum())
                for n, p in model.named_parameters()
                if p.grad is not None
            }
        )
        optimizer.step()
    assert gradients[0]["components.visual.down"] == 0
    assert gradients[0]["components.visual.up"] > 0
    assert all(value > 0 for value in gradients[1].values())
    assert len(gradients[1]) == 3


def test_gradients_equal_finite_differences_in_double_precision(start: ZeroShot) -> None:
    torch.manual_seed(0)
    head = ClassHead(start.head, start.columns, torch.rand(3)).double()
    head.delta.data.normal_()

    def loss(delta: torch.Tensor) -> torch.Tensor:
        head.delta.data = delta
        return head.penalty()

    step, point = 1e-6, head.delta.detach().clone()
    head.penalty().backward()  # type: ignore[no-untyped-call]
    assert head.delta.grad is not None
    for row, column in ((0, 0), (3, 1), (11, 3)):
        shift = torch.zeros_like(point)
        shift[row, column] = step
        with torch.no_grad():
            slope = (loss(point + shift) - loss(point - shift)) / (2 * step)
        assert float(head.delta.grad[row, column]) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize(("reduction", "ratio"), [(4, 0.0), (4, 1.5), (0, 0.2), (99, 0.2)])
def test_an_adapter_that_could_not_learn_is_refused(reduction: int, ratio: float) -> None:
    with pytest.raises(ValueError, match=r"is not in|has no gradient"):
        VisualAdapter(EMBED_DIM, reduction=reduction, ratio=ratio)


def test_two_components_that_bind_one_slot_are_refused(start: ZeroShot) -> None:
    stored = Frozen("older", {"va_up": torch.zeros(3, EMBED_DIM)}, {}, "F1")
    visual = VisualAdapter(EMBED_DIM, reduction=4, ratio=0.2)
    with pytest.raises(ValueError, match="older and visual both bind va_up: choose one"):
        AdapterModel(start, [stored, visual])
    with pytest.raises(ValueError, match="components of one kind: visual, visual"):
        AdapterModel(start, [visual, visual])


def test_a_stored_component_adds_its_moves_whatever_the_share(start: ZeroShot) -> None:
    move = {"class_weights": torch.ones(EMBED_DIM, 4), "class_bias": torch.ones(4)}
    stored = Frozen("head", {}, move, "F0")
    for share in (0.5, 1.0):
        after = stored.head(Head(start.weights, start.bias), share)
        assert torch.equal(after.weights, start.weights + 1)
        assert torch.equal(after.bias, start.bias + 1)


def test_a_component_that_binds_nothing_is_refused_and_not_zero_shot_in_silence(
    start: ZeroShot,
) -> None:
    with pytest.raises(ValueError, match="clip_adapter_compat binds no slot"):
        AdapterModel(start, [ClipAdapter.fresh(EMBED_DIM)])
    with pytest.raises(ValueError, match="visual binds no slot"):
        AdapterModel(start, [Frozen("visual", {}, {}, "F1")])


def test_a_component_whose_slots_the_graph_does_not_take_is_refused(start: ZeroShot) -> None:
    with pytest.raises(ValueError, match="block binds ba_down, which FeatureGraph does not take"):
        AdapterModel(start, [BlockAdapters(WIDTH, 2)])


def test_a_learned_ratio_is_tanh_of_rho_starts_where_it_is_told_and_learns(start: ZeroShot) -> None:
    visual = VisualAdapter(EMBED_DIM, reduction=4, ratio=0.2, learned=True)
    assert visual.rho is not None
    np.testing.assert_allclose(float(visual.slots()["va_ratio"].detach()), 0.2, atol=1e-6)
    np.testing.assert_allclose(float(visual.rho.detach()), np.arctanh(0.2), atol=1e-6)
    assert float(visual.slots(0.0)["va_ratio"].detach()) == 0.0
    f = torch.randn(5, EMBED_DIM, generator=torch.Generator().manual_seed(3))
    model = AdapterModel(start, [visual])
    assert torch.equal(model(inputs(f)).logits, AdapterModel(start, ())(inputs(f)).logits)
    for step in range(2):  # behind a zero up-projection it learns from the second step on
        model.zero_grad()
        model(inputs(f)).logits.square().sum().backward()
        assert visual.rho.grad is not None
        assert bool(visual.rho.grad.any()) == (step > 0)
        assert visual.up.grad is not None
        visual.up.data.sub_(0.01 * visual.up.grad)
    visual.rho.data.fill_(0.7)
    np.testing.assert_allclose(float(visual.slots(0.5)["va_ratio"].detach()), np.tanh(0.7) / 2)
    with pytest.raises(ValueError, match="a learned ratio starts below 1"):
        VisualAdapter(EMBED_DIM, reduction=4, ratio=1.0, learned=True)
