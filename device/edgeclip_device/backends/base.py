"""What every backend can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import BackendError


@dataclass(frozen=True)
class Outputs:
    """What the graph computes for a batch.

    Attributes:
        image_features: `(B, E)` float32, after the adapters.
        base_embedding: `(B, E)` float32, before them.
        logits: `(B, K)` float32.
        probabilities: `(B, K)` float32 in [0, 1] over the columns; rows sum to 1.
        patch_scores: `(B, N - 1, K)` float32, how much each cell is like each column; None where
            the graph does not say.
    """

    image_features: NDArray[np.float32]
    base_embedding: NDArray[np.float32]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    patch_scores: NDArray[np.float32] | None = None


def bound_slots(
    slots: Mapping[str, NDArray[np.float32]], wanted: Iterable[str]
) -> dict[str, NDArray[np.float32]]:
    """Return a pack's tensors for a graph, each as it lies in memory.

    Args:
        slots: What the pack gives.
        wanted: The graph's slots; none where a pack is baked into it.

    Raises:
        BackendError: One is missing, or the graph takes none.
    """
    names = list(wanted)
    if slots and not names:
        raise BackendError(
            "a pack is baked into this graph, no other can be bound: export one without --bake"
        )
    if missing := [name for name in names if name not in slots]:
        raise BackendError(f"the pack gives no {missing[0]}: load it with `filled_slots`")
    return {name: np.ascontiguousarray(slots[name], np.float32) for name in names}


class Backend(Protocol):
    """Runs one graph with the pack that was bound last."""

    @property
    def name(self) -> str:
        """What detections and `info` call it: onnxruntime or tensorrt."""

    @property
    def precision(self) -> str:
        """What it computes in: fp16 or fp32."""

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take a pack's tensors; they stay bound until others are.

        Args:
            slots: All of the graph's slots, float32; none where a pack is baked into the graph.

        Raises:
            BackendError: The graph does not take them.
        """

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what the graph computes.

        Args:
            images: `(B, S, S, 3)` uint8, RGB, by `edgeclip.contract.preprocess.prepare`.

        Raises:
            BackendError: It failed; the message names the batch.
        """

    def close(self) -> None:
        """Give memory back."""
