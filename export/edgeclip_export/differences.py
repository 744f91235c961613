"""How far computed outputs lie from others, and how far they may; arrays alone, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.plurals import counted
from edgeclip.contract.slots import GRAPH_OUTPUTS
from edgeclip.packs import Golden
from edgeclip_export.checks import Check

Outputs = Mapping[str, NDArray[np.float32]]
"""A graph's outputs by name: `contract.slots.GRAPH_OUTPUTS`, or all that it has."""

ATTENTION = "attention"
PATCH_LIMIT = 1e-4  # of cells, and of the attention over them
STORED_PATCH_LIMIT = 1e-2
_TINY = 1e-12
_FEATURES = ("image_features", "base_embedding")


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
        one_minus_cosine: Of the features that were compared.
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


def compare(reference: Outputs, found: Outputs, features: Sequence[str] = _FEATURES) -> Differences:
    """Return how far `found` lies from `reference`, both with the same images and columns.

    Args:
        reference: Outputs by name.
        found: The same of another.
        features: Which of them are compared by their direction.
    """
    pairs = [(reference[name], found[name]) for name in GRAPH_OUTPUTS]
    logits = np.abs(_double(found["logits"]) - _double(reference["logits"])).max(axis=1)
    probabilities = np.abs(_double(found["probabilities"]) - _double(reference["probabilities"]))
    apart = [_one_minus_cosine(reference[name], found[name]).max() for name in features]
    return Differences(
        one_minus_cosine=float(np.max(apart)),  # np.max keeps a NaN, Python's max may lose it
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
    note = f"{counted(images, 'image')}, worst logits in image {found.worst}"
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


def attention_checks(subject: str, reference: Outputs, found: Outputs, limit: float) -> list[Check]:
    """Return the check of where each class looked; none of a graph that does not give it.

    Args:
        subject: What was compared, for the start of the line.
        reference: Outputs by name.
        found: The same of another; the last images are compared where it has fewer.
        limit: How far an attention, in 0..1, may lie apart.
    """
    if ATTENTION not in reference or ATTENTION not in found:
        return []
    wanted, given = _double(reference[ATTENTION]), _double(found[ATTENTION])
    apart = float(np.abs(given - wanted[-len(given) :]).max())
    return [Check.at_most(f"{subject}: attention", apart, limit)]


def golden_checks(
    subject: str,
    golden: Golden,
    found: Outputs,
    limits: Limits = STORED,
    *,
    features: Sequence[str] = _FEATURES,
) -> list[Check]:
    """Return whether a pack's stored outputs are those that are computed here.

    Args:
        subject: Who computed, for the start of each line.
        golden: The pack's frames and outputs.
        found: Outputs whose first images are the golden ones.
        limits: How far they may lie apart; as of the graph as shipped, where not said.
        features: See `golden_features`.
    """
    stored: Outputs = {name: getattr(golden, name) for name in GRAPH_OUTPUTS}
    count = len(golden.images)
    first = {name: found[name][:count] for name in GRAPH_OUTPUTS}
    return difference_checks(subject, compare(stored, first, features), count, limits)


def golden_features(tensors: Outputs, *, baked: bool) -> tuple[str, ...]:
    """Return which features a graph has in common with a pack's golden outputs.

    Where a pack moves the projection and is baked in, the graph's `base_embedding` is behind the
    moved projection: `bake.fold_projection`. The pack's own is before it.

    Args:
        tensors: Of the pack.
        baked: Whether the graph is of that pack alone.
    """
    moved = baked and "projection_delta" in tensors and tensors["projection_delta"].any()
    return _FEATURES[:1] if moved else _FEATURES


def _one_minus_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = _double(a), _double(b)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a zero row gives NaN, which fails a gate
        return np.asarray(1 - (x * y).sum(axis=1) / norms, np.float64)


def _double(array: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(array, np.float64)
