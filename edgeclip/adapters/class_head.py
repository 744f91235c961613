"""The class matrix: started at the text features, and held near them where they are right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm


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

    def slots(self) -> dict[str, Tensor]:
        """Return class_weights, class_bias and logit_scale."""
        scale = torch.tensor([self.logit_scale])
        return {"class_weights": self.weights, "class_bias": self.bias, "logit_scale": scale}


class ClassHead(nn.Module):
    """W = T + delta, each column at the norm of T's; delta is zero at the start.

    The anchor (CLAP, Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730) adds
    (1/C) sum_c lambda_c |w_c - t_c|^2 to the loss, lambda_c the mean zero-shot probability of
    class c over its own images: where zero-shot is useless it lets go.
    """

    zero_shot: Tensor
    columns: Tensor

    def __init__(self, start: ZeroShot) -> None:
        super().__init__()
        self.register_buffer("zero_shot", start.weights)
        self.register_buffer("columns", start.columns)
        self.delta = nn.Parameter(torch.zeros_like(start.weights))
        self._classes = start.classes

    def weights(self, ratio: float = 1.0) -> Tensor:
        """Return class_weights `(E, K)` on the way from zero-shot (0) to the learned ones (1)."""
        moved = self.zero_shot + ratio * self.delta
        # Scaled by a quotient of norms, not normalised, so that delta = 0 gives T bit for bit.
        scale = vector_norm(self.zero_shot, dim=0) / vector_norm(moved, dim=0)
        return torch.mul(moved, scale)

    def anchor(self, strengths: Tensor) -> Tensor:
        """Return the anchor's loss.

        Args:
            strengths: `(C,)` lambda_c in [0, 1].
        """
        distance = (self.weights() - self.zero_shot).square().sum(dim=0)
        return (strengths[self.columns] * distance).sum() / self._classes
