"""The graph of methods that change the tower's own weights: the changed tower, then the head."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs
from edgeclip.adapters.model import Inputs, arrays
from edgeclip.adapters.tower_deltas import SingularVectors, merged
from edgeclip.contract.deltas import changes_weights, split_deltas
from edgeclip.contract.slots import HEAD_SLOTS, filled_slots
from edgeclip.towers import FrozenTower, UpperTower, split_tower


class WeightGraph:
    """Runs a tower, or its upper part, with `delta.` tensors merged into its weights.

    Args:
        tower: Frozen; it is not written to.
        cut: Run the blocks above on cached tokens; None runs the whole tower on pixels.

    Attributes:
        weights: What deltas can change, by name in the image tower.
        vectors: Singular vectors of these.

    Raises:
        ConfigError: There is a cut, and adapters do not know the tower's blocks.
    """

    def __init__(self, tower: FrozenTower, cut: int | None = None) -> None:
        self._tower: FrozenTower | UpperTower = tower
        self._shape = tower.projection.shape
        inside = {f"visual.{name}": name for name, _ in tower.visual.named_parameters()}
        if cut is not None:
            _, self._tower = split_tower(tower.visual, tower.projection, cut)
            inside = {name: _name_in_tower(name, cut) for name, _ in _upper_parameters(self._tower)}
        self._inside = {name: inner for inner, name in inside.items()}
        own = dict(self._tower.named_parameters())
        self.weights: dict[str, Tensor] = {
            name: own[inner].detach().cpu() for name, inner in self._inside.items()
        }
        self.vectors = SingularVectors(self.weights)
        self._head = HeadGraph()

    def neutral(self, start: ZeroShot) -> dict[str, Tensor]:
        """Return every slot of the head at zero-shot; no delta is an unchanged tower."""
        width, embed_dim = self._shape
        filled = filled_slots(arrays(start.slots()), width=width, embed_dim=embed_dim)
        return {name: torch.from_numpy(np.array(slot)) for name, slot in filled.items()}

    def takes(self, slot: str) -> bool:
        """Return whether it is a slot of the head, or a change of the tower's weights."""
        return slot in HEAD_SLOTS or changes_weights([slot])

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs; z and f are computed anew from `tokens`.

        Args:
            inputs: With the tokens at the cut, or without a cut the normalised pixels
                `(B, 3, S, S)`, as `tokens`.
            slots: Every slot of the head, and deltas.

        Raises:
            PackError: A delta is not of this tower.
            ValueError: There are no tokens.
        """
        x = inputs.tokens
        if x is None:
            raise ValueError("the weight graph needs tokens, or pixels in their place")
        if not isinstance(x, Tensor):
            x = torch.from_numpy(x.array()).float()
        changed = merged(self.weights, split_deltas(slots)[1], self.vectors)
        device = self._tower.projection.device
        inner = {self._inside[name]: weight.to(device) for name, weight in changed.items()}
        z, f = (part.cpu() for part in functional_call(self._tower, inner, (x.to(device),))[:2])
        outputs: HeadOutputs = self._head(z, f, **{name: slots[name] for name in HEAD_SLOTS})
        return outputs


def _upper_parameters(upper: UpperTower) -> list[tuple[str, Tensor]]:
    return [(name, p) for name, p in upper.named_parameters() if name != "projection"]


def _name_in_tower(name: str, cut: int) -> str:
    """`blocks.0.ln_1.weight` of the upper part -> its name in the whole image tower."""
    first, _, rest = name.partition(".")
    if first != "blocks":
        return name
    index, _, inner = rest.partition(".")
    return f"transformer.resblocks.{int(index) + cut}.{inner}"
