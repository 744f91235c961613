"""Gates: the graph computes what torch computes, and a neutral pack is the frozen CLIP."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs
from edgeclip.adapters.pack_outputs import deep_outputs_of
from edgeclip.clip import Backbone
from edgeclip.contract.slots import (
    GRAPH_OUTPUTS,
    SLOTS_OF,
    adapted_blocks,
    cross_modal_blocks,
    filled_deep_slots,
    filled_slots,
    graph_of,
)
from edgeclip_export.differences import ATTENTION, Outputs
from edgeclip_export.fuse import FusedModel

NEUTRAL_LIMIT = 1e-5


def check_images(golden: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the golden frames and four more: black, white, noise and saturated colours.

    Args:
        golden: `(n, S, S, 3)` uint8.

    Returns:
        `(n + 4, S, S, 3)` uint8.
    """
    shape = golden.shape[1:]
    rng = np.random.default_rng(0)
    synthetic = [
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        rng.integers(0, 256, shape, np.uint8),
        rng.integers(0, 2, shape, np.uint8) * np.uint8(255),
    ]
    return np.concatenate([golden, np.stack(synthetic)])


def torch_outputs(backbone: Backbone, images: NDArray[np.uint8], slots: Outputs) -> Outputs:
    """Return what torch computes in FP32, by the path that training takes, not the fused one.

    Args:
        backbone: The frozen encoder.
        images: `(B, S, S, 3)` uint8, RGB.
        slots: A tensor for every slot of the graph.

    Returns:
        `contract.slots.GRAPH_OUTPUTS`, and of a `deep` graph the attention.
    """
    if graph_of(slots) == "deep":
        outputs, attention = deep_outputs_of(images, backbone, slots)
        return {**_named(outputs), ATTENTION: attention.numpy()}
    z, f = backbone.embed_images(images)
    with torch.inference_mode():
        return _named(HeadGraph()(z, f, *_tensors(slots)))


def _named(outputs: HeadOutputs) -> Outputs:
    return {name: value.numpy() for name, value in zip(GRAPH_OUTPUTS, outputs, strict=True)}


def fused_outputs(fused: FusedModel, images: NDArray[np.uint8], slots: Outputs) -> Outputs:
    """Return what the fused module computes in torch, before it becomes a graph.

    Args:
        fused: Encoder and head.
        images: `(B, S, S, 3)` uint8, RGB.
        slots: A tensor for every slot of the graph; not looked at where a pack is baked in.
    """
    bound = [torch.from_numpy(np.array(slots[name], np.float32)) for name in fused.slots]
    with torch.inference_mode():
        outputs = fused(torch.from_numpy(images), *bound)
    return {name: value.numpy() for name, value in zip(fused.outputs, outputs, strict=True)}


def _tensors(slots: Outputs) -> list[Tensor]:
    names = SLOTS_OF[graph_of(slots)]
    return [torch.from_numpy(np.array(slots[name], np.float32)) for name in names]


def neutral_difference(backbone: Backbone, images: NDArray[np.uint8], found: Outputs) -> float:
    """Return how far a neutral pack's features lie from those of the frozen CLIP, absolute.

    Args:
        backbone: The frozen encoder.
        images: `(B, S, S, 3)` uint8, RGB.
        found: The graph's outputs with the slots of `neutral_slots`.
    """
    _, f = backbone.embed_images(images)
    frozen = functional.normalize(f.double(), dim=-1).numpy()
    return float(np.abs(found["image_features"] - frozen).max())


def neutral_slots(slots: Outputs) -> dict[str, NDArray[np.float32]]:
    """Return a pack's class matrix and scale with every adapter switched off."""
    width, embed_dim = slots["projection_delta"].shape
    kept = {name: slots[name] for name in ("class_weights", "logit_scale")}
    if graph_of(slots) == "deep":
        blocks = len(slots["ba_down"])  # of a longer tower no more than these have slots
        return filled_deep_slots(kept, width=width, embed_dim=embed_dim, blocks=blocks)
    return filled_slots(kept, width=width, embed_dim=embed_dim)


def other_slots(width: int, embed_dim: int, blocks: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return random tensors for every slot, of sizes that no real pack has: all adapters on.

    Args:
        width: D.
        embed_dim: E.
        blocks: L, for the slots of a `deep` graph; 0 for those of a `head` graph.
    """
    free = {"H": 11, "d": 6, "M": 9, "K": 13, "C": 17, "h": 10, "T": 12}
    inside = {"A": adapted_blocks(blocks), "X": cross_modal_blocks(blocks)}
    sizes = {"1": 1, "D": width, "E": embed_dim} | free | inside
    rng = np.random.default_rng(1)
    slots = {
        name: rng.normal(0, 0.1, [sizes[letter] for letter in slot.dims]).astype(np.float32)
        for name, slot in SLOTS_OF["deep" if blocks else "head"].items()
    }
    return slots | {"temperature": np.array([1.5], np.float32)}
