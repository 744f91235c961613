"""The one formula of the head: what trainer, evaluation and exported graph compute after z and f.

Letters as in `contract.slots`: B images, D width, E embedding, H hidden, d attention width, M
prompts + 1, K columns of the class matrix, C cache entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeclip.contract.slots import HEAD_SLOTS

_SMALLEST_NORM = 1e-6


class HeadOutputs(NamedTuple):
    """What the head gives for B images, float32, in the order of `contract.slots.GRAPH_OUTPUTS`.

    Attributes:
        image_features: `(B, E)`, adapted, unit norm.
        base_embedding: `(B, E)`, before every adapter, unit norm.
        logits: `(B, K)`.
        probabilities: `(B, K)`, rows sum to 1; sum over a class's columns by `column_class`.
    """

    image_features: Tensor
    base_embedding: Tensor
    logits: Tensor
    probabilities: Tensor


class HeadGraph(nn.Module):
    """Apply a pack's tensors to the features of the frozen encoder. It has no weights itself.

    With f = zP, f^ = f / |f| and the slots' names as letters:

        f   <- f + z projection_delta
        f'  =  f + |f| (va_ratio ReLU(f^ va_down) va_up + xm_ratio softmax(f^ xm_q xm_k) xm_v)
        f'^ =  f' / max(|f'|, 1e-6)
        l   =  logit_scale f'^ class_weights + class_bias
               + alpha exp(-beta (1 - f'^ cache_keys)) cache_values
        p   =  softmax(l / temperature)

    CLIP-Adapter (Gao et al., arXiv 2110.04544) for va, Tip-Adapter (Zhang et al., arXiv
    2207.09519) for the cache. Neutral slots give f' = f bit for bit.
    """

    def forward(self, z: Tensor, f: Tensor, *slots: Tensor) -> HeadOutputs:
        """Return features, logits and probabilities.

        Args:
            z: `(B, D)` float32, before the visual projection.
            f: `(B, E)` float32, f = zP, not normalised.
            slots: All of `HEAD_SLOTS` in their order, float32.
        """
        s = dict(zip(HEAD_SLOTS, slots, strict=True))
        base_embedding = _unit(f)
        features = _unit(_adapted(f + z @ s["projection_delta"], s))
        logits = s["logit_scale"] * (features @ s["class_weights"]) + s["class_bias"]
        affinity = torch.exp(-s["beta"] * (1 - features @ s["cache_keys"]))
        logits = logits + s["alpha"] * (affinity @ s["cache_values"])
        probabilities = torch.softmax(logits / s["temperature"], dim=-1)
        return HeadOutputs(features, base_embedding, logits, probabilities)


def slot_tensors(filled: Mapping[str, NDArray[np.float32]]) -> tuple[Tensor, ...]:
    """Return the slots as `HeadGraph.forward` takes them.

    Args:
        filled: What `contract.slots.filled_slots` gave: a tensor for every slot.
    """
    return tuple(torch.from_numpy(np.array(filled[name], np.float32)) for name in HEAD_SLOTS)


def _adapted(f: Tensor, s: Mapping[str, Tensor]) -> Tensor:
    norm = _norm(f)
    unit = f / norm
    visual = torch.relu(unit @ s["va_down"]) @ s["va_up"]
    attention = torch.softmax(unit @ s["xm_q"] @ s["xm_k"], dim=-1)
    return f + norm * (s["va_ratio"] * visual + s["xm_ratio"] * (attention @ s["xm_v"]))


def _unit(f: Tensor) -> Tensor:
    return f / _norm(f)


def _norm(f: Tensor) -> Tensor:
    return torch.linalg.vector_norm(f, dim=-1, keepdim=True).clamp(min=_SMALLEST_NORM)
