"""The terms of the training loss: classes, consistency with zero-shot, consistency of views."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

TAU = 2.0  # softens both sides of a divergence; tau^2 keeps the size of its gradient


def class_loss(logits: Tensor, classes: Tensor, columns: Tensor) -> Tensor:
    """Return the balanced cross-entropy: the mean over classes of their mean -log p(class).

    p is summed over the columns of the class. A class counts alike however many rows of a batch
    show it; classes that none shows have no part.

    Args:
        logits: `(B, K)`.
        classes: `(B,)` int64.
        columns: `(K,)` int64, class of each column.
    """
    own = columns[None] == classes[:, None]
    right = torch.logsumexp(logits.masked_fill(~own, -torch.inf), dim=1)
    rows = torch.logsumexp(logits, dim=1) - right
    counts = torch.bincount(classes)
    weights = 1 / (counts[classes] * (counts > 0).sum())
    return (weights * rows).sum()


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
    right = likeliest_class(teacher, columns) == classes
    return (divergence(teacher.detach(), student) * right).mean()


def likeliest_class(logits: Tensor, columns: Tensor) -> Tensor:
    """Return the class `(B,)` whose columns' probabilities have the greatest sum.

    Args:
        logits: `(B, K)`.
        columns: `(K,)` int64, class of each column.
    """
    parts = torch.softmax(logits, dim=1)
    sums = parts.new_zeros(len(parts), int(columns.max()) + 1).index_add(1, columns, parts)
    return sums.argmax(dim=1)


def view_consistency(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean symmetric divergence between the logits of two views, `(B, K)` each."""
    return 0.5 * (divergence(one, other) + divergence(other, one)).mean()
