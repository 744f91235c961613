"""Meta-Adapter: predicts the class matrix from a few examples, without a gradient step."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component, Head
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.support import Support
from edgeclip.errors import PackError

_CLOSED = -4.0  # bias of the gate: 0.018 at the start; the published +1 gives 0.73


class MetaWeights(nn.Module):
    """w'_c = norm(w_c + sigma(a w_c + b) softmax(W_q w_c (W_k [w_c; F_c])^T / sqrt(E)) [w_c; F_c]).

    Meta-Adapter, Cheng et al., NeurIPS 2023, arXiv 2311.03774. F_c are the class's examples; an
    absent one is masked, so that any number of shots, none too, is one matrix product. W_q and W_k
    start at the identity, b nearly closed. 524,801 parameters at E = 512.

    Attributes:
        query: `(E, E)`, W_q.
        key: `(E, E)`, W_k.
        gate: `(E,)`, a.
        bias: `()`, b.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.eye(embed_dim))
        self.key = nn.Parameter(torch.eye(embed_dim))
        self.gate = nn.Parameter(torch.zeros(embed_dim))
        self.bias = nn.Parameter(torch.tensor(_CLOSED))

    def forward(self, matrix: Tensor, examples: Tensor, present: Tensor) -> Tensor:
        """Return `(K, E)` predicted class vectors of unit norm.

        Args:
            matrix: `(K, E)` unit class vectors, w.
            examples: `(K, S, E)` unit examples of each column's class; any value where absent.
            present: `(K, S)` bool. What is absent for all classes is left out, so that a mask gives
                the bits of the subset.
        """
        somewhere = present.any(dim=0)
        examples, present = examples[:, somewhere], present[:, somewhere]
        examples = examples.masked_fill(~present[..., None], 0.0)
        seen = torch.cat([matrix[:, None], examples], dim=1)
        kept = torch.cat([present.new_ones(len(matrix), 1), present], dim=1)
        scores = torch.einsum("ke,kse->ks", matrix @ self.query.T, seen @ self.key.T)
        scores = (scores / math.sqrt(matrix.shape[1])).masked_fill(~kept, -torch.inf)
        attended = torch.einsum("ks,kse->ke", torch.softmax(scores, dim=1), seen)
        opened = torch.sigmoid(matrix @ self.gate + self.bias)
        return normalize(matrix + opened[:, None] * attended, dim=1)


class MetaHead(Component):
    """The class matrix as a meta-adapter predicts it; `share` leads there from the start.

    Args:
        start: The class matrix before it.
        predicted: `(E, K)` float32, after it.
    """

    kind: ClassVar[str] = "meta"
    fusion: ClassVar[FusionClass] = "F0"
    move: Tensor

    def __init__(self, start: ZeroShot, predicted: Tensor) -> None:
        super().__init__()
        self.register_buffer("move", predicted - start.weights)

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved by the share."""
        return Head(before.weights + share * self.move, before.bias)


def make_meta(support: Support, weights: MetaWeights) -> MetaHead:
    """Return the head that the weights predict from a support, without a gradient step.

    Args:
        support: Images of two classes or more.
        weights: As trained on base classes.

    Raises:
        PackError: The weights are for another embedding size.
    """
    width = support.start.weights.shape[0]
    if len(weights.gate) != width:
        raise PackError(
            f"the meta-adapter is for an embedding of {len(weights.gate)}, the encoder has {width}"
        )
    examples, present = padded(support)
    columns = support.start.columns
    matrix = support.start.weights.T
    norms = vector_norm(matrix, dim=1, keepdim=True)  # not 1 where another head stands before it
    with torch.no_grad():
        found = norms * weights(matrix / norms, examples[columns], present[columns])
    return MetaHead(support.start, found.T.contiguous())


def predicted_vector(
    weights: MetaWeights, vector: NDArray[np.float64], examples: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `(E,)` the class vector that weights predict for one class, unit norm.

    Args:
        weights: As trained on base classes.
        vector: `(E,)` unit, what the class's name says.
        examples: `(S, E)` unit, its examples.
    """
    shown = torch.from_numpy(examples).float()[None]
    present = torch.ones(shown.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        found = weights(torch.from_numpy(vector).float()[None], shown, present)[0]
    return np.asarray(found.double().numpy())


def padded(support: Support) -> tuple[Tensor, Tensor]:
    """Return `(C, S, E)` float32 examples of each class, and `(C, S)` bool where there is one."""
    most = int(support.counts.max())
    shape = (support.start.classes, most)
    examples = torch.zeros(*shape, support.features.shape[1])
    present = torch.zeros(shape, dtype=torch.bool)
    order = torch.argsort(support.classes, stable=True)
    ordered = support.classes[order]
    ranks = torch.arange(len(order)) - torch.searchsorted(ordered, ordered)
    examples[ordered, ranks] = support.features[order]
    present[ordered, ranks] = True
    return examples, present
