from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeclip.losses import (
    TAU,
    class_loss,
    divergence,
    likeliest_class,
    view_consistency,
    zero_shot_consistency,
)

COLUMNS = torch.tensor([0, 1, 1, 2])


def _logits(seed: int, rows: int = 5) -> Tensor:
    return 3 * torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))


def _by_formula(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    known, said = (torch.softmax(x.double() / tau, 1) for x in (teacher, student))
    return tau**2 * (known * torch.log(known / said)).sum(1)


def test_invariant_23_consistency_is_zero_with_gradient_zero_at_identity() -> None:
    student = _logits(0).requires_grad_()
    loss = divergence(student.detach(), student).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-6


def test_invariant_23_consistency_is_the_formula_and_never_negative() -> None:
    teacher, student = _logits(0), _logits(1)
    found = divergence(teacher, student)
    torch.testing.assert_close(
        found.double(), _by_formula(teacher, student, TAU), rtol=1e-5, atol=0
    )
    assert (found >= 0).all()


def test_invariant_23_a_batch_twice_gives_the_same_loss() -> None:
    teacher, student = _logits(0), _logits(1)
    classes = torch.tensor([0, 1, 2, 1, 0])
    once = zero_shot_consistency(teacher, student, classes, COLUMNS)
    twice = zero_shot_consistency(
        teacher.repeat(2, 1), student.repeat(2, 1), classes.repeat(2), COLUMNS
    )
    torch.testing.assert_close(once, twice)


def test_invariant_23_classes_that_nobody_expects_change_nothing() -> None:
    teacher, student = _logits(0), _logits(1)
    longer = [torch.cat([x, torch.full((5, 3), -1e4)], 1) for x in (teacher, student)]
    torch.testing.assert_close(divergence(*longer), divergence(teacher, student), atol=1e-6, rtol=0)


def test_invariant_23_a_mean_over_the_elements_would_shrink_with_the_classes() -> None:
    teacher, student = _logits(0), _logits(1)
    longer = [torch.cat([x, torch.full((5, 4), -1e4)], 1) for x in (teacher, student)]
    by_element = [float(divergence(*pair).sum() / pair[0].numel()) for pair in
                  ((teacher, student), longer)]  # fmt: skip
    assert by_element[1] == pytest.approx(by_element[0] / 2)


def test_invariant_24_a_reversed_cross_entropy_pulls_even_at_identity() -> None:
    student = _logits(0).requires_grad_()
    teacher = student.detach()
    reversed_loss = -(torch.softmax(student, 1) * torch.log_softmax(teacher, 1)).sum(1).mean()
    reversed_loss.backward()  # type: ignore[no-untyped-call]
    assert float(reversed_loss.detach()) > 0.1
    assert student.grad is not None
    assert float(student.grad.abs().max()) > 1e-2


def test_invariant_25_tau_keeps_the_size_of_the_gradient() -> None:
    sizes = []
    for tau in np.linspace(1, 4, 7):
        student = (0.3 * _logits(1)).requires_grad_()
        loss = divergence(0.3 * _logits(0), student, tau=float(tau)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        sizes.append(float(student.grad.norm()))
    assert max(sizes) < 2 * min(sizes)


def test_rows_that_zero_shot_gets_wrong_do_not_hold_the_student() -> None:
    teacher, student = _logits(0), _logits(1)
    right = likeliest_class(teacher, COLUMNS)
    wrong = (right + 1) % 3
    assert float(zero_shot_consistency(teacher, student, wrong, COLUMNS)) == 0
    assert float(zero_shot_consistency(teacher, student, right, COLUMNS)) == pytest.approx(
        float(divergence(teacher, student).mean())
    )


def test_views_are_compared_both_ways() -> None:
    one, other = _logits(0), _logits(1)
    torch.testing.assert_close(view_consistency(one, other), view_consistency(other, one))
    assert float(view_consistency(one, one)) == pytest.approx(0, abs=1e-6)


def test_invariant_26_on_balanced_rows_the_loss_is_plain_cross_entropy() -> None:
    logits, classes = _logits(0, rows=6), torch.tensor([0, 1, 2, 2, 1, 0])
    one_each = torch.tensor([0, 1, 2, 3])
    plain = torch.nn.functional.cross_entropy(logits[:, :3], classes)
    torch.testing.assert_close(class_loss(logits[:, :3], classes, one_each[:3]), plain)
    probabilities = torch.softmax(logits, 1)
    summed = torch.stack([probabilities[:, c == COLUMNS].sum(1) for c in range(3)], 1)
    expected = -torch.log(summed[torch.arange(6), classes]).mean()
    torch.testing.assert_close(class_loss(logits, classes, COLUMNS), expected)


def test_invariant_26_a_class_shown_twice_as_often_changes_nothing() -> None:
    logits, classes = _logits(0, rows=6), torch.tensor([0, 1, 2, 2, 1, 0])
    twice = torch.cat([torch.arange(6), torch.nonzero(classes == 1)[:, 0]])
    found = class_loss(logits[twice], classes[twice], COLUMNS)
    torch.testing.assert_close(found, class_loss(logits, classes, COLUMNS), atol=1e-6, rtol=0)


def test_invariant_26_a_batch_without_one_of_the_classes_is_balanced_over_the_others() -> None:
    logits, classes = _logits(0, rows=4), torch.tensor([0, 2, 2, 2])
    alone = [class_loss(logits[classes == c], classes[classes == c], COLUMNS) for c in (0, 2)]
    torch.testing.assert_close(class_loss(logits, classes, COLUMNS), (alone[0] + alone[1]) / 2)


def test_consistency_takes_frames_without_a_label_too() -> None:
    """Unlabelled frames of the target cameras: the teacher's own answer stands for the label."""
    teacher, student = _logits(0), _logits(1)
    own = likeliest_class(teacher, COLUMNS)
    found = zero_shot_consistency(teacher, student, own, COLUMNS)
    torch.testing.assert_close(found, divergence(teacher, student).mean())


def test_a_class_of_several_columns_is_the_likeliest_by_their_sum() -> None:
    logits = torch.log(torch.tensor([[0.4, 0.3, 0.25, 0.05], [0.1, 0.1, 0.1, 0.7]]))
    assert likeliest_class(logits, COLUMNS).tolist() == [1, 2]
