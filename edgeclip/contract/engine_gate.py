"""Gate C: what a backend computes on this machine, against the golden outputs of a pack.

The cosine alone is no gate: at a logit scale of 100 one of 0.999 lets a logit move by 4.5. So
probabilities and decisions are compared as well, each image for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.bundle import Tolerance
from edgeclip.contract.pack import PackManifest
from edgeclip.contract.postprocess import class_probabilities

Floats = NDArray[np.float32]
_TINY = 1e-12


@dataclass(frozen=True)
class Outputs:
    """What is compared, of the same images in the same order.

    Attributes:
        image_features: `(n, E)` float32.
        probabilities: `(n, K)` float32, over the columns.
    """

    image_features: Floats
    probabilities: Floats


@dataclass(frozen=True)
class EngineParity:
    """How far a backend lies from the golden outputs.

    Attributes:
        images: How many were compared.
        is_finite: No output is infinite or not a number.
        one_minus_cosine: Of the image features, the worst image.
        mean_one_minus_cosine: The same, the mean.
        probability: Largest difference of a column's probability.
        other_decisions: Images with another best class, or on another side of a threshold.
    """

    images: int
    is_finite: bool
    one_minus_cosine: float
    mean_one_minus_cosine: float
    probability: float
    other_decisions: int

    def problems(self, tolerance: Tolerance) -> list[str]:
        """Return what lies beyond the tolerance, each with its number; nothing where all passes."""
        if not self.is_finite:
            return ["outputs are not finite"]
        measured = {
            "1 - cosine": (self.one_minus_cosine, tolerance.one_minus_cosine),
            "mean 1 - cosine": (self.mean_one_minus_cosine, tolerance.mean_one_minus_cosine),
            "probability off by": (self.probability, tolerance.probability),
        }
        found = [
            f"{name} {value:.2g} (at most {limit:.2g})"
            for name, (value, limit) in measured.items()
            if not value <= limit
        ]
        if self.other_decisions:
            found.append(f"{self.other_decisions} of {self.images} images are decided otherwise")
        return found

    def figures(self) -> dict[str, float]:
        """Return the numbers by name, without those that are not finite: JSON has none."""
        numbers = {name: float(value) for name, value in asdict(self).items()}
        return {name: value for name, value in numbers.items() if np.isfinite(value)}


def engine_parity(
    golden: Outputs, found: Outputs, pack: PackManifest, tolerance: Tolerance
) -> EngineParity:
    """Compare a backend's outputs with golden ones.

    Args:
        golden: What torch computed in float32.
        found: What the backend computed.
        pack: Its classes and thresholds make decisions of probabilities.
        tolerance: A golden probability this near to a threshold, or to that of the next class, may
            be decided either way.
    """
    is_finite = all(np.isfinite(a).all() for a in (found.image_features, found.probabilities))
    if not is_finite:
        nothing = float("inf")
        return EngineParity(len(golden.probabilities), False, nothing, nothing, nothing, 0)
    apart = 1 - _cosine(golden.image_features, found.image_features)
    return EngineParity(
        images=len(golden.probabilities),
        is_finite=True,
        one_minus_cosine=float(apart.max()),
        mean_one_minus_cosine=float(apart.mean()),
        probability=float(np.abs(golden.probabilities - found.probabilities).max()),
        other_decisions=_other_decisions(golden, found, pack, tolerance.probability),
    )


def _cosine(one: Floats, other: Floats) -> NDArray[np.float64]:
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.sum(first * second, axis=1) / np.maximum(lengths, _TINY))


def _other_decisions(golden: Outputs, found: Outputs, pack: PackManifest, margin: float) -> int:
    """Return how many images are decided otherwise, and not for want of a margin."""
    names = pack.class_names
    was, now = (
        class_probabilities(each.probabilities, pack.column_class, len(names))
        for each in (golden, found)
    )
    ordered = np.sort(was, axis=1)
    is_close = ordered[:, -1] - ordered[:, -2] <= margin if was.shape[1] > 1 else np.False_
    differs = (was.argmax(axis=1) != now.argmax(axis=1)) & ~np.asarray(is_close)
    return int(np.sum(differs | _crossed(was, now, pack, names, margin)))


def _crossed(
    was: Floats, now: Floats, pack: PackManifest, names: Sequence[str], margin: float
) -> NDArray[np.bool_]:
    """Return which images lie on another side of one of a class's thresholds.

    All three decide of a visit: it opens at `on` with a frame at `peak`, and lasts down to `off`.
    """
    crossed = np.zeros(len(was), np.bool_)
    for name, thresholds in pack.thresholds.items():
        one, other = was[:, names.index(name)], now[:, names.index(name)]
        for level in (thresholds.off, thresholds.on, thresholds.peak):
            is_far = np.abs(one - level) > margin
            crossed |= is_far & ((one >= level) != (other >= level))
    return crossed
