"""The head of the graph: all slots after the frozen encoder, in one formula.

Training evaluates it, golden outputs come from it, and the exporter turns it into ONNX, so that
there is one place where the mathematics of a pack stands.

    f        = z P + z dP                                       projection_delta
    f^       = f / max(|f|, 1e-6)
    f'       = f + |f| (va_ratio A(f^) + xm_ratio X(f^))        A(x) = ReLU(x down) up
                                                                X(x) = softmax(x q k) v
    f^'      = f' / max(|f'|, 1e-6)                             image_features
    logits   = logit_scale f^' W + bias + alpha exp(-beta (1 - f^' keys)) values
    p        = softmax(logits / temperature)

A is CLIP-Adapter's bottleneck (Gao et al., IJCV 2024, arXiv 2110.04544), the cache term
Tip-Adapter's (Zhang et al., ECCV 2022, arXiv 2207.09519).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeclip.contract.slots import HEAD_SLOTS

LEAST_NORM = 1e-6  # in float32: a norm of 1e-12 underflows in half precision and gives 0/0


class HeadOutputs(NamedTuple):
    """What the graph gives for B images, float32.

    Attributes:
        image_features: `(B, E)` after the adapters, unit norm.
        base_embedding: `(B, E)` before every adapter, unit norm.
        logits: `(B, K)`, not divided by the temperature.
        probabilities: `(B, K)` in [0, 1], rows sum to 1.
    """

    image_features: Tensor
    base_embedding: Tensor
    logits: Tensor
    probabilities: Tensor


def unit(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return `(B, E)` features at unit norm, and their norms `(B, 1)`, at least 1e-6."""
    square = (features * features).sum(-1, keepdim=True)  # a Pow less in the graph
    norm = square.clamp(min=LEAST_NORM**2).sqrt()  # clamped first: the slope of sqrt at 0 is inf
    return features / norm, norm


class HeadGraph(nn.Module):
    """From z and f of the frozen encoder, and the slots of `contract.slots`, to probabilities."""

    def forward(  # noqa: PLR0913  # one argument a slot: they become the inputs of the graph
        self,
        z: Tensor,
        f: Tensor,
        projection_delta: Tensor,
        va_down: Tensor,
        va_up: Tensor,
        va_ratio: Tensor,
        xm_q: Tensor,
        xm_k: Tensor,
        xm_v: Tensor,
        xm_ratio: Tensor,
        class_weights: Tensor,
        class_bias: Tensor,
        logit_scale: Tensor,
        temperature: Tensor,
        cache_keys: Tensor,
        cache_values: Tensor,
        alpha: Tensor,
        beta: Tensor,
    ) -> HeadOutputs:
        """Return features, logits and probabilities.

        Args:
            z: `(B, D)` float32, the encoder before its projection.
            f: `(B, E)` float32, z P.
            projection_delta: The slots, float32, shapes as in `contract.slots.HEAD_SLOTS`.
            va_down: See there, like all that follow.
            va_up: `(H, E)`.
            va_ratio: `(1,)`.
            xm_q: `(E, d)`.
            xm_k: `(d, M)`.
            xm_v: `(M, E)`.
            xm_ratio: `(1,)`.
            class_weights: `(E, K)`, not normalised here.
            class_bias: `(K,)`.
            logit_scale: `(1,)`, exp of the learned value.
            temperature: `(1,)`, > 0.
            cache_keys: `(E, C)`.
            cache_values: `(C, K)`.
            alpha: `(1,)`.
            beta: `(1,)`.
        """
        slots = {
            "projection_delta": projection_delta,
            "va_down": va_down, "va_up": va_up, "va_ratio": va_ratio,
            "xm_q": xm_q, "xm_k": xm_k, "xm_v": xm_v, "xm_ratio": xm_ratio,
            "class_weights": class_weights, "class_bias": class_bias,
            "logit_scale": logit_scale, "temperature": temperature,
            "cache_keys": cache_keys, "cache_values": cache_values, "alpha": alpha, "beta": beta,
        }  # fmt: skip
        return head_outputs(z, f, slots)


def head_outputs(z: Tensor, f: Tensor, slots: Mapping[str, Tensor]) -> HeadOutputs:
    """Return features, logits and probabilities: the one formula of the head.

    Args:
        z: `(B, D)` float32.
        f: `(B, E)` float32, z P.
        slots: Those of `contract.slots.HEAD_SLOTS`. `projection_delta`, and all of va_*, of xm_* or
            of the cache may be absent; that is as if they were neutral, and costs nothing.
    """
    base_embedding, norm = unit(f)
    shifted, image_features = f, base_embedding
    if "projection_delta" in slots:
        shifted = f + z @ slots["projection_delta"]
        image_features, norm = unit(shifted)
    if branches := _branches(image_features, slots):
        added = branches[0] if len(branches) == 1 else branches[0] + branches[1]
        image_features, _ = unit(shifted + norm * added)
    logits = slots["logit_scale"] * (image_features @ slots["class_weights"]) + slots["class_bias"]
    if "alpha" in slots:
        affinity = torch.exp(-slots["beta"] * (1 - image_features @ slots["cache_keys"]))
        logits = logits + slots["alpha"] * (affinity @ slots["cache_values"])
    probabilities = torch.softmax(logits / slots["temperature"], dim=-1)
    return HeadOutputs(image_features, base_embedding, logits, probabilities)


def _branches(direction: Tensor, slots: Mapping[str, Tensor]) -> list[Tensor]:
    """Return what the visual and the cross-modal adapter add to a unit vector, `(B, E)` each."""
    found = []
    if "va_ratio" in slots:
        visual = torch.relu(direction @ slots["va_down"]) @ slots["va_up"]
        found.append(slots["va_ratio"] * visual)
    if "xm_ratio" in slots:
        attention = torch.softmax(direction @ slots["xm_q"] @ slots["xm_k"], dim=-1)
        found.append(slots["xm_ratio"] * (attention @ slots["xm_v"]))
    return found


def patch_scores(patches: Tensor, class_weights: Tensor) -> Tensor:
    """Return how much each cell of an image is like each column: u . class_weights, u = p / |p|.

    Where the columns are unit vectors, it is a cosine. Nothing is trained on it: it shows a person
    where to look, and no decision depends on it.

    Args:
        patches: `(B, N - 1, E)` float32, projected, with the pack's `projection_delta`.
        class_weights: `(E, K)`.

    Returns:
        `(B, N - 1, K)` float32, without scale and bias.
    """
    direction, _ = unit(patches)
    return direction @ class_weights


def slot_tensors(filled: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Return the slots as `HeadGraph.forward` takes them by name, each a copy.

    Args:
        filled: What `contract.slots.filled_slots` gave: a float32 tensor for every slot.
    """
    return {name: torch.from_numpy(np.array(filled[name], np.float32)) for name in HEAD_SLOTS}
