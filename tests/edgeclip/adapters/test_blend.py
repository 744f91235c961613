from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.blend import DRAWN, PROMPTED, SHARES, left_out_experts, make_blend
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.gda import make_gda
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.proker import KernelRegression, KernelSettings, centred, targets
from edgeclip.adapters.support import Support, class_means, drawn_start, folds
from support.supports import SCALE, queries, support


def _drawn(few: Support) -> Support:
    start = drawn_start(few.features, few.classes, few.start.classes, SCALE)
    return Support(few.features, few.classes, start, few.locations, drawn_start=True)


def _logits(few: Support, share: float, f: torch.Tensor) -> torch.Tensor:
    model = AdapterModel(few.start, [make_blend(few)])
    slots = {**model.graph.neutral(few.start), **model.own_slots(share)}
    logits: torch.Tensor = model.graph(Inputs(f[:, :1], f), slots).logits
    return logits


def _right(few: Support, f: torch.Tensor, share: float = 1.0) -> float:
    means = normalize(class_means(few), dim=1).float()
    truth = (normalize(f, dim=1) @ means.T).argmax(dim=1)
    return float((_logits(few, share, f).argmax(dim=1) == truth).double().mean())


def test_parity_it_is_the_weighted_sum_of_the_three_experts_in_numpy() -> None:
    few = support((5, 6, 7), noise=1.0)
    part, f = make_blend(few), normalize(queries().double(), dim=1)
    across = np.exp(-part.beta * (1 - (f @ few.exact.T).numpy()))
    gda = make_gda(few)
    discriminant = SCALE * (f @ gda.weights.double()) + gda.bias
    expected = (
        part.weights.start * few.start_logits(f).numpy()
        + part.weights.gda * discriminant.numpy()
        + across @ part.values.double().numpy()
    )
    np.testing.assert_allclose(_logits(few, 1.0, queries()).numpy(), expected, atol=2e-4)


def test_share_zero_is_zero_shot_bit_for_bit() -> None:
    few = support()
    plain = AdapterModel(few.start, ())(Inputs(queries()[:, :1], queries())).logits
    assert torch.equal(_logits(few, 0.0, queries()), plain)
    assert SHARES[0] == 0.0


def test_experts_are_judged_on_images_that_they_have_not_seen() -> None:
    few = support((4, 5, 6), locations=3)
    parts, regression = folds(few), KernelRegression.of(few)
    experts = left_out_experts(few, regression, KernelSettings(0.2, 1.0), parts)
    part = parts[1]
    rest = few.without(part)
    gda = make_gda(rest)
    scores = SCALE * (few.exact[part] @ gda.weights.double()) + gda.bias
    torch.testing.assert_close(experts[1, part], centred(scores), atol=1e-3, rtol=1e-4)
    inner = torch.exp(-regression.beta * (1 - rest.exact @ rest.exact.T))
    solved = torch.linalg.solve(inner + 0.2 * torch.eye(len(inner)), targets(rest, 1.0))
    across = torch.exp(-regression.beta * (1 - few.exact[part] @ rest.exact.T))
    torch.testing.assert_close(experts[2, part], across @ solved)


def test_one_image_a_class_follows_the_rule_and_leaves_the_discriminant_out() -> None:
    prompted, drawn = make_blend(support((1, 1, 1))), make_blend(_drawn(support((1, 1, 1))))
    assert (prompted.weights.gda, prompted.weights.kernel) == (0.0, PROMPTED.kernel)
    assert (drawn.weights.gda, drawn.weights.kernel) == (0.0, DRAWN.kernel)


def test_a_start_drawn_from_the_same_images_has_no_say_of_its_own() -> None:
    assert make_blend(_drawn(support((5, 5, 5)))).weights.start == 0.0


def test_prompts_that_are_wrong_about_the_images_lose_weight_and_right_ones_keep_it() -> None:
    few = support((8, 8, 8), noise=0.3)
    means = normalize(class_means(few), dim=1).float()
    right = ZeroShot.of(means, [0, 1, 2], SCALE)
    wrong = ZeroShot.of(means[[1, 2, 0]], [0, 1, 2], SCALE)
    trusted = make_blend(Support(few.features, few.classes, right, few.locations)).weights.start
    doubted = make_blend(Support(few.features, few.classes, wrong, few.locations)).weights.start
    assert doubted < 0.6 * trusted


@pytest.mark.parametrize("counts", [(2, 2, 2), (3, 9, 30), (1, 4, 4), (40, 2, 0)])
def test_uneven_and_absent_classes_give_finite_packs(counts: tuple[int, int, int]) -> None:
    few = support(counts, locations=2)
    assert torch.isfinite(_logits(few, 1.0, queries())).all()


def test_it_is_right_where_the_classes_are_apart_whatever_the_prompts() -> None:
    few = support((6, 6, 6), noise=0.3)
    near = support((20, 20, 20), noise=0.3).features
    assert _right(few, near) == 1.0
    assert _right(few, near, share=0.0) < 0.9, "the random prompts alone are not"


def test_a_class_with_many_images_is_not_preferred() -> None:
    generator = torch.Generator().manual_seed(3)
    features = normalize(torch.randn(44, 12, generator=generator), dim=1)
    classes = torch.tensor([0] * 40 + [1] * 4)
    few = Support(features, classes, support((1, 1), columns=(0, 1)).start, ["x"] * 44)
    f = torch.randn(400, 12, generator=generator)
    rare = float((_logits(few, 1.0, f).argmax(dim=1) == 1).double().mean())
    assert 0.2 < rare < 0.8


def test_several_prototypes_of_a_class_stay_one_class() -> None:
    few = support((5, 5), columns=(0, 0, 1))
    part = make_blend(few)
    assert torch.equal(part.values[:, 0], part.values[:, 1])
    assert part.values.shape == (10, 3)
