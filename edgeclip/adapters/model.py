"""What is trained together: components bound as slots of one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.composing import stored_parts
from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs, slot_tensors
from edgeclip.adapters.normed_adapter import adapted, is_mlp_ln_key
from edgeclip.adapters.stored import Stored, compose
from edgeclip.adapters.threads import one_thread
from edgeclip.contract.deltas import split_deltas
from edgeclip.contract.slots import HEAD_SLOTS, filled_slots

Tensors = dict[str, NDArray[np.float32]]


class Rows(Protocol):
    """Rows that are read when they are looked at, such as `token_cache.TokenRows`."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def __getitem__(self, chosen: slice) -> Rows:
        """Return some of the rows, still unread."""

    def array(self) -> NDArray[np.float16] | NDArray[np.float32]:
        """Return the rows, the first dimension being B."""


class Inputs(NamedTuple):
    """What the frozen encoder, or its lower part, says of B regions.

    Attributes:
        z: `(B, D)` float32, before the projection.
        f: `(B, E)` float32, z P.
        tokens: `(B, N, D)` where the upper blocks are to be run, else None.
    """

    z: Tensor
    f: Tensor
    tokens: Tensor | Rows | None = None


class Graph(Protocol):
    """From inputs and slots to outputs, as the exported graph computes them."""

    def neutral(self, start: ZeroShot) -> dict[str, Tensor]:
        """Return every slot of the graph at zero-shot."""

    def takes(self, slot: str) -> bool:
        """Return whether a tensor of that name has a part in the outputs."""

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs.

        Args:
            inputs: Of B regions.
            slots: Every slot of the graph.
        """


class FeatureGraph:
    """The graph from z and f on: no component in it reaches into the encoder.

    What `mlp_ln` does to f stands before the head, as in the copy of the tower that is baked.
    """

    def __init__(self) -> None:
        self._head = HeadGraph()

    def neutral(self, start: ZeroShot) -> dict[str, Tensor]:
        """Return every slot of the head at zero-shot; D is taken as 1, see `__call__`."""
        filled = filled_slots(arrays(start.slots()), width=1, embed_dim=start.weights.shape[0])
        return slot_tensors(filled)

    def takes(self, slot: str) -> bool:
        """Return whether it is a slot of the head, or of `mlp_ln`."""
        return slot in HEAD_SLOTS or is_mlp_ln_key(slot)

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs. Where `projection_delta` is neutral, z is not looked at.

        One zero column stands for z then, whatever its width, and saves the largest product.
        """
        neutral = slots["projection_delta"].shape[0] == 1
        z = inputs.f.new_zeros(len(inputs.f), 1) if neutral else inputs.z
        head, normed = split_deltas(slots)
        f = adapted(inputs.f, normed) if normed else inputs.f
        outputs: HeadOutputs = self._head(z, f, **head)
        return outputs


class AdapterModel(nn.Module):
    """Components around the frozen encoder, evaluated by the graph that is exported.

    Args:
        start: The class matrix of the prompts.
        components: In the order in which they change the class matrix; without any, zero-shot.
        graph: `FeatureGraph` on cached features, or one that runs the upper blocks too.

    Attributes:
        parts: The components.

    Raises:
        ValueError: Two components bind the same slot, or are of one kind; or one has no part in the
            graph: it would be zero-shot, whatever it learned.
    """

    def __init__(
        self, start: ZeroShot, components: Sequence[Component], graph: Graph | None = None
    ) -> None:
        super().__init__()
        self.parts = tuple(components)
        self.components = nn.ModuleDict({part.kind: part for part in components})
        self.start = start
        self.graph: Graph = graph or FeatureGraph()
        self._neutral = self.graph.neutral(start)
        _refuse_shared_slots(components)
        _refuse_without_part(components, self.graph)

    def own_slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the slots that are not neutral, with gradients.

        Args:
            share: WiSE interpolation, from zero-shot (0) to what was learned (1).
        """
        slots, head = self.start.slots(), self.start.head
        for component in self.parts:
            slots |= component.slots(share)
            head = component.head(head, share)
        return {**slots, "class_weights": head.weights, "class_bias": head.bias}

    def forward(self, inputs: Inputs) -> HeadOutputs:
        """Return the outputs for B regions, with gradients."""
        return self.graph(inputs, {**self._neutral, **self.own_slots()})

    def penalty(self) -> Tensor:
        """Return the sum of the components' regularisers."""
        return sum((component.penalty() for component in self.parts), torch.zeros(()))

    def pack_tensors(self, share: float = 1.0) -> Tensors:
        """Return the slots to store; at share 0 those of the model before this training.

        Args:
            share: WiSE interpolation; see `Component`.
        """
        return compose(arrays(self.start.slots()), self.stored(share))

    def stored(self, share: float = 1.0) -> list[Stored]:
        """Return the components as a pack stores them."""
        return stored_parts(self.parts, self.start.head, share)


def threads_for(graph: Graph) -> AbstractContextManager[None]:
    """Return how many threads to compute on: one at the head, all where blocks are run.

    At the head one thread is the fastest, and the same sums on any machine.
    """
    return one_thread() if isinstance(graph, FeatureGraph) else nullcontext()


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


def arrays(slots: Mapping[str, Tensor]) -> Tensors:
    """Return tensors as float32 arrays, without gradients."""
    return {
        name: np.array(slot.detach().numpy(), np.float32, order="C") for name, slot in slots.items()
    }


def _refuse_shared_slots(components: Sequence[Component]) -> None:
    kinds = [component.kind for component in components]
    if len(set(kinds)) != len(kinds):
        raise ValueError(f"components of one kind: {', '.join(kinds)}")
    owner: dict[str, str] = {}
    for component in components:
        for slot in component.slots():
            other = owner.setdefault(slot, component.kind)
            if other != component.kind:
                raise ValueError(f"{other} and {component.kind} both bind {slot}: choose one")


def _refuse_without_part(components: Sequence[Component], graph: Graph) -> None:
    for component in components:
        slots = component.slots()
        if not slots and not component.moves_head:
            raise ValueError(
                f"{component.kind} binds no slot and leaves the class matrix as it is: no graph"
                " would show what it learned; fold it into a component that does"
            )
        if lost := sorted(name for name in slots if not graph.takes(name)):
            raise ValueError(
                f"{component.kind} binds {lost[0]}, which {type(graph).__name__} does not take:"
                " give the model the graph that it is made for"
            )
