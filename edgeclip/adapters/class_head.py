"""The class matrix: started at the text features, and held near them where they are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.component import Component, Head, turned
from edgeclip.adapters.stored import FusionClass


@dataclass(frozen=True)
class ZeroShot:
    """The class matrix as the prompts give it.

    Attributes:
        weights: `(E, K)` float32, columns of unit norm.
        bias: `(K,)`, -log of how many columns the class has, so that prototypes add no prior.
        logit_scale: exp of the encoder's learned value.
        columns: `(K,)` int64, the class of each column.
        classes: C.
    """

    weights: Tensor
    bias: Tensor
    logit_scale: float
    columns: Tensor
    classes: int

    @staticmethod
    def of(text_features: Tensor, column_class: list[int], logit_scale: float) -> ZeroShot:
        """Return the head of prompts.

        Args:
            text_features: `(K, E)` float32, rows of unit norm.
            column_class: The class of each row.
            logit_scale: Of the encoder.
        """
        columns = torch.tensor(column_class)
        counts = torch.bincount(columns)
        bias = -torch.log(counts[columns].float())
        return ZeroShot(text_features.T.contiguous(), bias, logit_scale, columns, len(counts))

    @property
    def head(self) -> Head:
        """The class matrix, without the scale."""
        return Head(self.weights, self.bias)

    def slots(self) -> dict[str, Tensor]:
        """Return class_weights, class_bias and logit_scale."""
        scale = torch.tensor([self.logit_scale])
        return {"class_weights": self.weights, "class_bias": self.bias, "logit_scale": scale}


class ClassHead(Component):
    """W = T + delta, each column at the norm of T's; delta is zero at the start (ZS-LP).

    The anchor (CLAP, Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730) adds
    (1/C) sum_c lambda_c |w_c - t_c|^2 to the loss, lambda_c the mean zero-shot probability of
    class c over its own images: where zero-shot is useless it lets go.

    Args:
        before: The class matrix it starts from.
        columns: `(K,)` int64, the class of each column.
        strengths: `(C,)` lambda_c in [0, 1]; times the weight of the anchor.
    """

    kind: ClassVar[str] = "head"
    fusion: ClassVar[FusionClass] = "F0"
    start: Tensor
    strengths: Tensor

    def __init__(self, before: Head, columns: Tensor, strengths: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", before.weights.detach().clone())
        self.register_buffer("strengths", strengths[columns] / len(strengths))
        self.delta = nn.Parameter(torch.zeros_like(before.weights))

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved by delta, each column at the norm that it had before."""
        return turned(before, share * self.delta)

    def penalty(self) -> Tensor:
        """Return the anchor's loss."""
        moved = self.head(Head(self.start, self.start[0])).weights
        return (self.strengths * (moved - self.start).square().sum(dim=0)).sum()
