from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.meta import MetaWeights, make_meta, padded
from edgeclip.adapters.meta_training import MetaSettings, train_meta
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.support import Support, drawn_start
from edgeclip.errors import DataError, PackError
from support.supports import EMBED_DIM, SCALE, queries, support


def _weights(seed: int = 0) -> MetaWeights:
    """Weights as after training: nothing is zero, the gate is open."""
    weights, generator = MetaWeights(EMBED_DIM), torch.Generator().manual_seed(seed)
    for parameter in weights.parameters():
        parameter.data.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    weights.bias.data = torch.tensor(0.5)
    return weights


def _matrix(few: Support, weights: MetaWeights) -> Tensor:
    return make_meta(few, weights).head(few.start.head).weights


def test_parity_the_predicted_matrix_equals_the_formula_in_numpy() -> None:
    few, weights = support((1, 3, 5)), _weights()
    q, k, a, b = (p.detach().double().numpy() for p in weights.parameters())
    for index, w in enumerate(few.start.weights.T.double().numpy()):
        seen = np.stack([w, *few.features[few.classes == index].double().numpy()])
        scores = (q @ w) @ (seen @ k.T).T / np.sqrt(EMBED_DIM)
        attention = np.exp(scores) / np.exp(scores).sum()
        expected = w + attention @ seen / (1 + np.exp(-(a @ w + b)))
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(_matrix(few, weights)[:, index].numpy(), expected, atol=1e-6)


LARGE = 512
"""E of the encoders that are meant: the tolerances of invariant 9 are of numbers of that size."""


def _large(seed: int = 0) -> tuple[MetaWeights, Tensor, Tensor]:
    """Weights as after training, `(3, E)` class vectors and `(3, 4, E)` examples, unit norm."""
    weights, generator = MetaWeights(LARGE), torch.Generator().manual_seed(seed)
    for parameter in weights.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(noise / LARGE**0.5)
    weights.bias.data = torch.tensor(0.5)
    matrix = normalize(torch.randn(3, LARGE, generator=generator), dim=1)
    return weights, matrix, normalize(torch.randn(3, 4, LARGE, generator=generator), dim=2)


def test_invariant_9_an_empty_support_is_zero_shot() -> None:
    weights, matrix, examples = _large()
    with torch.no_grad():
        for present in (torch.zeros(3, 4, dtype=torch.bool), torch.zeros(3, 0, dtype=torch.bool)):
            found = weights(matrix, examples[:, : present.shape[1]], present)
            torch.testing.assert_close(found, matrix, atol=3e-8, rtol=0)


def test_invariant_9_a_class_without_examples_keeps_its_text() -> None:
    few = support((4, 4, 0))
    moved = _matrix(few, _weights()) - few.start.weights
    assert float(moved[:, 2].abs().max()) <= 2e-7, "a unit in the last place of a number below 1"
    assert float(moved[:, :2].abs().max()) > 0.01


def test_invariant_9_a_closed_gate_is_zero_shot() -> None:
    weights, matrix, examples = _large()
    weights.gate.data.zero_()
    weights.bias.data = torch.tensor(-torch.inf)
    with torch.no_grad():
        found = weights(matrix, examples, torch.ones(3, 4, dtype=torch.bool))
    torch.testing.assert_close(found, matrix, atol=3e-8, rtol=0)


def test_invariant_9_the_order_of_the_examples_does_not_matter() -> None:
    weights, matrix, examples = _large()
    present = torch.ones(3, 4, dtype=torch.bool)
    with torch.no_grad():
        one = weights(matrix, examples, present)
        other = weights(matrix, examples[:, [2, 0, 3, 1]], present)
    torch.testing.assert_close(one, other, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_invariant_9_a_mask_equals_the_subset_bit_for_bit(kept: int) -> None:
    weights, matrix, examples = _large()
    present = torch.ones(3, 4, dtype=torch.bool)
    present[:, kept:] = False
    examples[:, kept:] = 1e3
    with torch.no_grad():
        masked = weights(matrix, examples, present)
        subset = weights(matrix, examples[:, :kept], present[:, :kept])
    assert torch.equal(masked, subset)


def test_invariant_9_a_mask_in_the_middle_and_for_some_classes_lets_nothing_through() -> None:
    few, weights = support((2, 2, 2)), _weights()
    examples, present = padded(few)
    matrix = few.start.weights.T
    wider = torch.cat([torch.full((3, 5, EMBED_DIM), 1e3), examples], dim=1)
    masked = torch.cat([torch.zeros(3, 5, dtype=torch.bool), present], dim=1)
    with torch.no_grad():
        subset = weights(matrix, examples, present)
        assert torch.equal(weights(matrix, wider, masked), subset)
        present[0] = False
        others = examples.clone()
        others[0] = -7.0
        found = weights(matrix, examples, present)
        assert torch.equal(found, weights(matrix, others, present))
        assert not torch.allclose(found[0], subset[0])


def test_invariant_3_share_zero_is_zero_shot_bit_for_bit_and_one_the_prediction() -> None:
    few = support()
    model = AdapterModel(few.start, [make_meta(few, _weights())])
    f = queries().numpy()
    plain = AdapterModel(few.start, ()).pack_tensors()
    runs = [run_head(f[:, :1], f, tensors).logits for tensors in (model.pack_tensors(0), plain)]
    assert torch.equal(*runs)
    torch.testing.assert_close(
        torch.from_numpy(model.pack_tensors(1)["class_weights"]), _matrix(few, _weights())
    )


def test_invariant_18_gradients_equal_finite_differences() -> None:
    few, weights = support((1, 2, 3)), _weights().double()
    examples, present = padded(few)
    names = [name for name, _ in weights.named_parameters()]

    def predicted(*values: Tensor) -> Tensor:
        own = dict(zip(names, values, strict=True))
        inputs = (few.start.weights.T.double(), examples.double(), present)
        found: Tensor = torch.func.functional_call(weights, own, inputs)
        return found

    values = tuple(p.detach().clone().requires_grad_() for p in weights.parameters())
    assert gradcheck(predicted, values)


def test_it_has_the_stated_number_of_parameters_at_512() -> None:
    assert sum(parameter.numel() for parameter in MetaWeights(512).parameters()) == 524_801


def test_several_prototypes_of_a_class_are_predicted_from_the_same_examples() -> None:
    few = support((3, 3), columns=(0, 0, 1))
    assert _matrix(few, _weights()).shape == (EMBED_DIM, 3)


def _noisy_world(classes: int, seed: int, images: int = 20) -> Support:
    """Text features that are far off, images that are near their class mean."""
    generator = torch.Generator().manual_seed(seed)
    means = normalize(torch.randn(classes, EMBED_DIM, generator=generator), dim=1)
    text = normalize(means + 0.5 * torch.randn(means.shape, generator=generator), dim=1)
    labels = torch.arange(classes).repeat_interleave(images)
    around = 0.15 * torch.randn(len(labels), EMBED_DIM, generator=generator)
    features = normalize(means[labels] + around, dim=1)
    start = ZeroShot.of(text, list(range(classes)), SCALE)
    return Support(features, labels, start, ["x"] * len(labels))


def test_trained_on_base_classes_it_predicts_better_heads_for_new_ones() -> None:
    base, new = _noisy_world(30, seed=1), _noisy_world(30, seed=2)
    weights = train_meta(base, MetaSettings(steps=150, rate=2e-2))
    few = new.chosen(torch.arange(0, 600, 5))
    rest = torch.ones(600, dtype=torch.bool)
    rest[::5] = False

    def right(parts: list[torch.nn.Module]) -> float:
        model = AdapterModel(new.start, parts)  # type: ignore[arg-type]
        f = new.features[rest]
        with torch.no_grad():
            logits = model(Inputs(f[:, :1], f)).logits
        return float((logits.argmax(dim=1) == new.classes[rest]).double().mean())

    assert right([make_meta(few, weights)]) > right([]) + 0.02


def test_the_same_seed_gives_the_same_weights_and_a_drawn_start_trains_too() -> None:
    world = _noisy_world(4, seed=3, images=6)
    start = drawn_start(world.features, world.classes, 4, SCALE)
    drawn = Support(world.features, world.classes, start, world.locations, drawn_start=True)
    losses: list[float] = []
    one = train_meta(drawn, MetaSettings(steps=5), advance=losses.append)
    other = train_meta(drawn, MetaSettings(steps=5))
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert len(losses) == 5
    assert np.isfinite(losses).all()


def test_where_names_say_nothing_it_learns_to_look_at_the_examples() -> None:
    """Half of the classes go by unknown names, as a new species does: the gate opens further."""
    base = _noisy_world(30, seed=1)
    unknown = normalize(
        torch.randn(8, EMBED_DIM, generator=torch.Generator().manual_seed(5)), dim=1
    )
    settings = MetaSettings(steps=150, rate=2e-2)
    with_names = train_meta(base, settings)
    without = train_meta(base, settings, strangers=unknown)
    new = _noisy_world(30, seed=2)
    few = new.chosen(torch.arange(0, 600, 5))
    start = ZeroShot.of(unknown[torch.arange(30) % 8], list(range(30)), SCALE)
    few = Support(few.features, few.classes, start, few.locations)

    def right(weights: MetaWeights) -> float:
        answers = (new.features @ _matrix(few, weights)).argmax(dim=1)
        return float((answers == new.classes).double().mean())

    assert right(without) > right(with_names) + 0.05


def test_base_classes_with_one_image_each_are_refused() -> None:
    with pytest.raises(DataError, match="two base classes with two images"):
        train_meta(support((1, 1, 5)))


def test_behind_another_head_each_column_keeps_its_norm_and_a_closed_gate_changes_nothing() -> None:
    few = support()
    start = few.start
    louder = ZeroShot(3 * start.weights, start.bias, start.logit_scale, start.columns, 3)
    few = Support(few.features, few.classes, louder, few.locations)
    torch.testing.assert_close(_matrix(few, _weights()).norm(dim=0), torch.full((3,), 3.0))
    closed = _weights()
    closed.gate.data.zero_()
    closed.bias.data = torch.tensor(-1e4)
    torch.testing.assert_close(_matrix(few, closed), louder.weights, atol=1e-6, rtol=0)


def test_weights_for_another_encoder_are_refused() -> None:
    with pytest.raises(PackError, match="an embedding of 4, the encoder has 12"):
        make_meta(support(), MetaWeights(4))
