"""What is trained together: the visual adapter and the class head, bound as slots of one graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs, slot_tensors
from edgeclip.adapters.threads import one_thread
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.contract.slots import filled_slots

Tensors = dict[str, NDArray[np.float32]]


class AdapterModel(nn.Module):
    """The trainable part, evaluated by `HeadGraph` on cached features."""

    def __init__(self, start: ZeroShot, *, reduction: int, ratio: float) -> None:
        """Start at zero-shot.

        Args:
            start: The class matrix of the prompts.
            reduction: Of the visual adapter.
            ratio: Of the visual adapter.
        """
        super().__init__()
        embed_dim = start.weights.shape[0]
        self.visual = VisualAdapter(embed_dim, reduction=reduction, ratio=ratio)
        self.head = ClassHead(start)
        self._start = start
        self._graph = HeadGraph()
        neutral = filled_slots(_arrays(start.slots()), width=1, embed_dim=embed_dim)
        self._neutral = slot_tensors(neutral)

    def forward(self, f: Tensor) -> HeadOutputs:
        """Return the head's outputs for f `(B, E)`, with gradients.

        `projection_delta` is neutral here, so z adds nothing whatever its width: one zero column
        stands for it, and saves the largest product of a step.
        """
        z = f.new_zeros(len(f), 1)
        own = {"class_weights": self.head.weights(), **self.visual.slots()}
        outputs: HeadOutputs = self._graph(z, f, **(self._neutral | own))
        return outputs

    def pack_tensors(self, ratio: float) -> Tensors:
        """Return the slots to store, on the way from zero-shot (0) to what was learned (1).

        WiSE interpolation (Wortsman et al., CVPR 2022, arXiv 2109.01903): the branch's ratio and
        the class matrix's move are scaled. At 0 only the zero-shot head remains.

        Args:
            ratio: In [0, 1].
        """
        slots = self._start.slots()
        if ratio > 0:
            visual = self.visual.slots()
            visual["va_ratio"] = visual["va_ratio"] * ratio
            slots = {**visual, **slots, "class_weights": self.head.weights(ratio)}
        return _arrays(slots)


def run_head(
    z: NDArray[np.float32], f: NDArray[np.float32], tensors: Mapping[str, NDArray[np.float32]]
) -> HeadOutputs:
    """Return the head's outputs for stored tensors, without gradients.

    Args:
        z: `(B, D)` float32.
        f: `(B, E)` float32.
        tensors: A pack's tensors; absent slots are neutral.

    Raises:
        PackError: The tensors do not fit the encoder's sizes.
    """
    filled = filled_slots(tensors, width=z.shape[1], embed_dim=f.shape[1])
    with torch.inference_mode(), one_thread():
        outputs: HeadOutputs = HeadGraph()(
            torch.from_numpy(np.array(z)), torch.from_numpy(np.array(f)), **slot_tensors(filled)
        )
    return outputs


def _arrays(slots: Mapping[str, Tensor]) -> Tensors:
    return {name: slot.detach().numpy().astype(np.float32) for name, slot in slots.items()}
