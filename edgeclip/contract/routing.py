"""Which packs answer for an image: static keys, then a gate, else zero-shot; NumPy alone.

Packs are inputs of one graph, so the choice is host code. A pack that changes the class matrix,
the cache or the head adapters alone is evaluated here from the graph's `base_embedding`, any number
of packs from one pass through the encoder.

    s_p = scale_p max_r (f^ c_pr) + bias_p          by prototypes, which each pack brings
    s_p = scale f^ k_p + b_p                        by a learned gate over all packs
    g = softmax of s over the packs within their thresholds, of which only the k largest are kept
    probabilities = sum_p g_p softmax(logits_p(f^) / T_p)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.deltas import changes_weights
from edgeclip.contract.slots import filled_slots
from edgeclip.errors import PackError

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]
Shares = tuple[tuple[int, float], ...]
"""Index and weight of the packs that answer for an image, the heaviest first; the weights sum to 1.
Empty where none does."""

_LEAST_NORM = 1e-6  # as in the graph


@dataclass(frozen=True)
class RouterRow:
    """What a pack says of the images that it is for.

    Attributes:
        name: Of the pack.
        keys: `(R, E)` float32, unit prototypes of its training images' base embeddings.
        scale: > 0, sharpness of its gate.
        threshold: Distance 1 - cos to the nearest prototype beyond which it has no say.
        static: What must hold of an image, such as {"deployment": "dep01", "light": "infrared"};
            empty where only prototypes decide.
        bias: Of its gate.
        samples: `(n, E)` float32, unit embeddings of some of its training images, which a learned
            gate is taught by; None in packs of older software.
        left_out: `(n,)` float32, of each place of its training the median distance of its frames to
            the nearest prototype, had they been made without that place; None where that is not
            known.
    """

    name: str
    keys: Array
    scale: float
    threshold: float
    static: Mapping[str, str] = field(default_factory=dict)
    bias: float = 0.0
    samples: Array | None = None
    left_out: Array | None = None

    def __post_init__(self) -> None:
        fits = self.keys.ndim == 2 and len(self.keys) > 0 and np.isfinite(self.keys).all()
        if not fits or not self.scale > 0 or not 0 <= self.threshold <= 2:
            raise PackError(
                f"router row of {self.name}: keys {self.keys.shape}, scale {self.scale}, threshold "
                f"{self.threshold}; expected finite (R, E), > 0, and 0 to 2: make the pack again"
            )
        if self.samples is not None and not self._has_samples(self.samples):
            raise PackError(
                f"router row of {self.name}: samples {self.samples.shape}; expected finite (n, E):"
                " make the pack again"
            )

        own = self.left_out
        if own is not None and not (own.ndim == 1 and len(own) > 1 and bool((abs(own) <= 2).all())):
            raise PackError(
                f"router row of {self.name}: left_out {own.shape}; expected two distances or more,"
                " at most 2: make the pack again"
            )

    def _has_samples(self, samples: Array) -> bool:
        is_matrix = samples.ndim == 2 and len(samples) > 0
        return is_matrix and samples.shape[1:] == self.keys.shape[1:] and _is_finite(samples)

    def tensors(self) -> dict[str, Array]:
        """Return what a pack stores beside its slots; static keys are the set's."""
        return {
            "router_keys": self.keys,
            "router_scale": np.array([self.scale], np.float32),
            "router_threshold": np.array([self.threshold], np.float32),
            **({} if self.samples is None else {"router_samples": self.samples}),
            **({} if self.left_out is None else {"router_left_out": self.left_out}),
        }

    def likeness(self, base: Array) -> NDArray[np.float64]:
        """Return `(B,)` cosines of `(B, E)` unit embeddings to the nearest prototype."""
        return np.asarray((base.astype(np.float64) @ self.keys.T.astype(np.float64)).max(axis=1))

    def holds_for(self, facts: Mapping[str, str]) -> bool:
        """Return whether every static key is known of the image and equal."""
        return all(facts.get(key) == value for key, value in self.static.items())


def _is_finite(values: Array) -> bool:
    return bool(np.isfinite(values).all())


@dataclass(frozen=True)
class Gate:
    """A learned gate over packs, in their order.

    Attributes:
        keys: `(P, E)` float32, unit rows.
        scale: > 0.
        bias: `(P,)` float32.
        k: At most so many packs answer for an image, >= 1.
    """

    keys: Array
    scale: float
    bias: Array
    k: int = 1

    def scores(self, base: Array) -> NDArray[np.float64]:
        """Return `(B, P)` scores of `(B, E)` unit embeddings, before the softmax."""
        cosines = base.astype(np.float64) @ self.keys.T.astype(np.float64)
        return np.asarray(self.scale * cosines + self.bias.astype(np.float64))


def share_out(
    rows: Sequence[RouterRow],
    base: Array,
    facts: Sequence[Mapping[str, str]],
    gate: Gate | None = None,
    fallback: int | None = None,
) -> list[Shares]:
    """Return for each image the packs that answer, and how much each one's answer weighs.

    First static keys: of the rows that have any and hold, the one with the most, whatever the
    image looks like. Then the gate: of the rows without static keys whose nearest prototype is
    within the threshold, the k with the largest scores. Among equals the first.

    Args:
        rows: One a pack.
        base: `(B, E)` float32 base embeddings, unit norm.
        facts: B mappings: what is known of each image.
        gate: Learned; else prototypes score, and one pack answers.
        fallback: Who answers where no row fits; None: no pack.
    """
    rest: Shares = () if fallback is None else ((fallback, 1.0),)
    scores = gate_scores(rows, base) if gate is None else gate.scores(base)
    k = 1 if gate is None else gate.k
    near = np.stack([1 - row.likeness(base) <= row.threshold for row in rows], axis=1)
    near &= np.array([not row.static for row in rows])
    found: list[Shares] = []
    for image, known in enumerate(facts):
        held = by_static_keys(rows, known)
        if held is not None:
            found.append(((held, 1.0),))
        elif near[image].any():
            own = np.where(near[image], scores[image], -np.inf)[None]
            weights = top_k_gate(own, min(k, int(near[image].sum())))[0]
            order = np.argsort(-weights, kind="stable")[: np.count_nonzero(weights)]
            found.append(tuple((int(p), float(weights[p])) for p in order))
        else:
            found.append(rest)
    return found


def by_static_keys(rows: Sequence[RouterRow], facts: Mapping[str, str]) -> int | None:
    """Return the row with the most static keys of those whose keys hold, or None."""
    held = [p for p, row in enumerate(rows) if row.static and row.holds_for(facts)]
    return max(held, key=lambda p: (len(rows[p].static), -p)) if held else None


def choose(
    rows: Sequence[RouterRow],
    base: Array,
    facts: Sequence[Mapping[str, str]],
    gate: Gate | None = None,
) -> list[int | None]:
    """Return for each image the index of the pack that weighs most, or None for zero-shot.

    Args:
        rows: One a pack.
        base: `(B, E)` float32 base embeddings, unit norm.
        facts: B mappings: what is known of each image.
        gate: As for `share_out`.
    """
    return [own[0][0] if own else None for own in share_out(rows, base, facts, gate)]


def gate_scores(rows: Sequence[RouterRow], base: Array) -> NDArray[np.float64]:
    """Return `(B, P)` scale times likeness plus bias, before the softmax."""
    return np.stack([row.scale * row.likeness(base) + row.bias for row in rows], axis=1)


def top_k_gate(scores: NDArray[np.float64], k: int = 1) -> NDArray[np.float64]:
    """Return `(B, P)` softmax over the k largest scores, exact zeros elsewhere; rows sum to 1.

    Args:
        scores: `(B, P)`; among equal ones the first is kept.
        k: From 1 to P.

    Raises:
        ValueError: k is out of range.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k {k} is not in 1..{scores.shape[1]}")
    kept = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, kept, axis=1)
    powers = np.exp(best - best.max(axis=1, keepdims=True))
    gate = np.zeros_like(scores)
    np.put_along_axis(gate, kept, powers / powers.sum(axis=1, keepdims=True), axis=1)
    return gate


def routed_logits(
    packs: Sequence[Tensors], zero_shot: Tensors, base: Array, chosen: Sequence[int | None]
) -> Array:
    """Return `(B, K)` logits, each image by its pack; packs that no image chose are not evaluated.

    Args:
        packs: Slot tensors, all with K columns.
        zero_shot: Those of the prompts: for images without a pack.
        base: `(B, E)` float32, unit norm.
        chosen: What `choose` gave.

    Raises:
        PackError: A pack cannot be evaluated from base embeddings, or has other columns.
    """
    logits = np.empty((len(base), zero_shot["class_weights"].shape[1]), np.float32)
    for pack in sorted(set(chosen), key=lambda p: -1 if p is None else p):
        images = np.array([index for index, p in enumerate(chosen) if p == pack])
        own = pack_logits(zero_shot if pack is None else packs[pack], base[images])
        if own.shape[1] != logits.shape[1]:
            raise PackError(
                f"pack {pack} has {own.shape[1]} columns, zero-shot {logits.shape[1]}: packs that "
                "share a router must have the same classes and prompts"
            )
        logits[images] = own
    return logits


def pack_logits(tensors: Tensors, base: Array) -> Array:
    """Return `(B, K)` logits of one pack for `(B, E)` base embeddings, as the graph gives them.

    Raises:
        PackError: The pack reaches before the embedding (projection, blocks, weights): it needs a
            pass of its own.
    """
    if changes_weights(tensors):
        raise PackError(
            "a pack that changes the encoder's weights shares no graph with others: leave it out of"
            " the router"
        )
    if "projection_delta" in tensors and tensors["projection_delta"].any():
        raise PackError(
            "a pack with projection_delta changes the embedding itself: choose it by static keys"
        )
    head = {name: value for name, value in tensors.items() if name != "projection_delta"}
    s = filled_slots(head, width=1, embed_dim=base.shape[1])
    scores = base @ s["xm_q"] @ s["xm_k"]
    attention = np.exp(scores - scores.max(axis=1, keepdims=True))
    cross_modal = attention / attention.sum(axis=1, keepdims=True) @ s["xm_v"]
    visual = np.maximum(base @ s["va_down"], 0) @ s["va_up"]
    adapted = base + s["va_ratio"] * visual + s["xm_ratio"] * cross_modal
    features = adapted / np.maximum(np.linalg.norm(adapted, axis=1, keepdims=True), _LEAST_NORM)
    affinity = np.exp(-s["beta"] * (1 - features @ s["cache_keys"]))
    logits = s["logit_scale"] * (features @ s["class_weights"]) + s["class_bias"]
    return np.asarray(logits + s["alpha"] * (affinity @ s["cache_values"]), np.float32)
