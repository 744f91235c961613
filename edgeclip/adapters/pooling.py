"""Class-conditioned pooling: each class looks for itself among the patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeclip.adapters.block import drawn
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.stored import FusionClass


@dataclass(frozen=True)
class PoolingSettings:
    """How class-conditioned pooling is built.

    Attributes:
        attention: d, width of queries, keys and values.
        sharpness: tau, weight of the plain similarity of patch and class in the attention.
    """

    attention: int = 32
    sharpness: float = 10.0

    def check(self) -> None:
        """Refuse numbers out of range.

        Raises:
            ValueError: One is.
        """
        if self.attention < 1 or not self.sharpness > 0:
            raise ValueError(
                f"attention {self.attention} and sharpness {self.sharpness} must be above 0"
            )


class ClassPooling(Component):
    """Each class embedding t_k attends to the unit patch features u_j, and scores what it found.

        a_k  = softmax_j(u_j . (tau t_k + W_k W_q^T t_k))           the heat map of class k
        logits_k += logit_scale sum_j a_jk u_j . (g t_k + W_o W_v^T t_k)

    The text is the query, the patches are keys and values: the text side's cross-modal adapter.
    Queries and keys, and values and outputs, are products of constants, so all of it folds into two
    vectors a class: `cp_attend` and `cp_score` (E, K). A vector of a class depends on that class's
    embedding alone: classes can be added without training. g and W_o are zero at the start, so that
    step 0 adds exactly zero.

    Args:
        start: The class embeddings.
        settings: See there.

    Attributes:
        query: W_q, `(E, d)`.
        key: W_k, `(E, d)`.
        value: W_v, `(E, d)`.
        out: W_o, `(E, d)`, zero at the start.
        gate: g, `()`, zero at the start.
    """

    kind: ClassVar[str] = "pooling"
    fusion: ClassVar[FusionClass] = "F2"
    classes: Tensor

    def __init__(self, start: ZeroShot, settings: PoolingSettings | None = None) -> None:
        super().__init__()
        settings = settings or PoolingSettings()
        settings.check()
        embed_dim = start.weights.shape[0]
        self.query, self.key, self.value = (drawn(embed_dim, settings.attention) for _ in range(3))
        self.out = nn.Parameter(torch.zeros(embed_dim, settings.attention))
        self.gate = nn.Parameter(torch.zeros(()))
        self.register_buffer("classes", start.weights.detach().clone(), persistent=False)
        self._sharpness = settings.sharpness

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return cp_attend and cp_score; the share scales the score."""
        classes = self.classes
        score = self.gate * classes + self.out @ (self.value.T @ classes)
        attend = self._sharpness * classes + self.key @ (self.query.T @ classes)
        return {"cp_attend": attend, "cp_score": share * score}
