"""Gates: the graph computes what torch computes, and a neutral pack is the frozen CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgeclip.adapters.head_graph import HeadGraph
from edgeclip.adapters.pack_outputs import outputs_of
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
from edgeclip_export.checks import Check
from edgeclip_export.fuse import FusedModel

Outputs = Mapping[str, NDArray[np.float32]]
"""A graph's outputs by name: `contract.slots.GRAPH_OUTPUTS`, or all that it has."""

NEUTRAL_LIMIT = 1e-5
PATCH_LIMIT = 1e-4
STORED_PATCH_LIMIT = 1e-2
_TINY = 1e-12


@dataclass(frozen=True)
class Limits:
    """How far outputs may lie from a reference, the worst image; absolute.

    Attributes:
        one_minus_cosine: Of `image_features` and `base_embedding`.
        logits: Of all columns.
        probabilities: In 0..1.
    """

    one_minus_cosine: float
    logits: float
    probabilities: float


EXPORTED = Limits(1e-6, 5e-3, 1e-4)
"""Gate A: the graph with its weights in FP32, against torch."""
STORED = Limits(1e-4, 0.05, 0.02)
"""Gate B: the graph as shipped, with FP16 weights, against torch or golden outputs."""
GOLDEN = Limits(1e-5, 5e-3, 1e-4)
"""torch against golden outputs: looser, since another machine's torch may have computed them."""


@dataclass(frozen=True)
class Differences:
    """How far outputs lie from a reference, the worst of all images.

    Attributes:
        one_minus_cosine: Of `image_features` and `base_embedding`.
        logits: Absolute.
        probabilities: Absolute, in 0..1.
        is_finite: No NaN and no infinity on either side.
        worst: Index of the image with the largest difference in logits.
    """

    one_minus_cosine: float
    logits: float
    probabilities: float
    is_finite: bool
    worst: int


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
    """
    if graph_of(slots) == "deep":
        outputs = outputs_of(images, backbone, slots)
    else:
        z, f = backbone.embed_images(images)
        with torch.inference_mode():
            outputs = HeadGraph()(z, f, *_tensors(slots))
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


def compare(reference: Outputs, found: Outputs) -> Differences:
    """Return how far `found` lies from `reference`, both with the same images and columns."""
    pairs = [(reference[name], found[name]) for name in GRAPH_OUTPUTS]
    logits = np.abs(_double(found["logits"]) - _double(reference["logits"])).max(axis=1)
    probabilities = np.abs(_double(found["probabilities"]) - _double(reference["probabilities"]))
    features = [_one_minus_cosine(a, b).max() for a, b in pairs[:2]]
    return Differences(
        one_minus_cosine=float(np.max(features)),  # np.max keeps a NaN, Python's max may lose it
        logits=float(logits.max()),
        probabilities=float(probabilities.max()),
        is_finite=all(bool(np.isfinite(array).all()) for pair in pairs for array in pair),
        worst=int(logits.argmax()),
    )


def difference_checks(
    subject: str, found: Differences, images: int, limits: Limits = EXPORTED
) -> list[Check]:
    """Return the checks of one comparison.

    Args:
        subject: What was compared, for the start of each line.
        found: The differences.
        images: How many images were compared.
        limits: How large they may be.
    """
    note = f"{images} images, worst logits in image {found.worst}"
    return [
        Check(f"{subject}: outputs are finite", found.is_finite),
        Check.at_most(f"{subject}: 1 - cosine", found.one_minus_cosine, limits.one_minus_cosine),
        Check.at_most(f"{subject}: logits", found.logits, limits.logits, note),
        Check.at_most(f"{subject}: probabilities", found.probabilities, limits.probabilities),
    ]


def patch_difference(
    reference: NDArray[np.float32], found: NDArray[np.float32], slots: Outputs
) -> float:
    """Return how far the scores of the image's cells lie apart, absolute, the worst of all.

    Args:
        reference: `(B, N - 1, K)`, the output `patch_scores`.
        found: The same of another.
        slots: Of both: each column counts by the length of its weights, so that it is a cosine.
    """
    lengths = np.linalg.norm(_double(slots["class_weights"]), axis=0)
    apart = np.abs(_double(found) - _double(reference))
    return float((apart / np.maximum(lengths, _TINY)).max())


def neutral_difference(backbone: Backbone, images: NDArray[np.uint8], found: Outputs) -> float:
    """Return how far a neutral pack's features lie from those of the frozen CLIP, absolute.

    Args:
        backbone: The frozen encoder.
        images: `(B, S, S, 3)` uint8, RGB.
        found: The graph's outputs with the slots of `neutral_slots`.
    """
    _, f = backbone.embed_images(images)
    frozen = functional.normalize(f, dim=-1).numpy()
    return float(np.abs(_double(found["image_features"]) - _double(frozen)).max())


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


def _one_minus_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = _double(a), _double(b)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a zero row gives NaN, which fails a gate
        return np.asarray(1 - (x * y).sum(axis=1) / norms, np.float64)


def _double(array: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(array, np.float64)
