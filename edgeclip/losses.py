"""The terms of the training loss: classes, consistency with zero-shot, consistency of views."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

TAU = 2.0  # softens both sides of a divergence; tau^2 keeps the size of its gradient


def class_loss(logits: Tensor, classes: Tensor, columns: Tensor) -> Tensor:
    """Return the mean of -log p(class), p summed over the columns of the class.

    Args:
        logits: `(B, K)`.
        classes: `(B,)` int64.
        columns: `(K,)` int64, class of each column.
    """
    own = columns[None] == classes[:, None]
    right = torch.logsumexp(logits.masked_fill(~own, -torch.inf), dim=1)
    return (torch.logsumexp(logits, dim=1) - right).mean()


def divergence(teacher: Tensor, student: Tensor, *, tau: float = TAU) -> Tensor:
    """Return tau^2 KL(softmax(teacher / tau) || softmax(student / tau)) of each row, `(B,)`.

    Hinton et al., arXiv 1503.02531. A mean over the batch, never over the elements: with that, the
    term would shrink with the number of classes.

    Args:
        teacher: `(B, K)` logits.
        student: `(B, K)` logits.
        tau: Temperature of both.
    """
    known, said = log_softmax(teacher / tau, dim=1), log_softmax(student / tau, dim=1)
    return tau**2 * (known.exp() * (known - said)).sum(dim=1)


def zero_shot_consistency(
    teacher: Tensor, student: Tensor, classes: Tensor, columns: Tensor
) -> Tensor:
    """Return the mean divergence from zero-shot over the batch; rows it gets wrong count 0.

    PromptSRC (Khattak et al., ICCV 2023, arXiv 2307.06948) holds the logits near the frozen
    model's; where the frozen model is wrong there is nothing to hold on to.

    Args:
        teacher: `(B, K)` logits of zero-shot, without gradient.
        student: `(B, K)` logits.
        classes: `(B,)` int64.
        columns: `(K,)` int64, class of each column.
    """
    right = columns[teacher.argmax(dim=1)] == classes
    return (divergence(teacher.detach(), student) * right).mean()


def view_consistency(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean symmetric divergence between the logits of two views, `(B, K)` each."""
    return 0.5 * (divergence(one, other) + divergence(other, one)).mean()
