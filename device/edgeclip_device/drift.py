"""Drift: whether what the camera sees is still what it saw when the deployment began."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.health import Drift
from edgeclip.contract.pack import Thresholds
from edgeclip_device.heads import Classification

_FRAMES = 100  # so many make the reference, and so many the present; a judgement
_SURE = 0.5  # a class without threshold that reaches it is an answer


class DriftWatch:
    """Watches the classifications of one pack in one deployment.

    Args:
        key: Of pack and deployment: another key begins a new reference.
        thresholds: Of the pack's targets.
        stored: What `stored` gave before a restart; None begins anew.
    """

    def __init__(
        self, key: str, thresholds: Mapping[str, Thresholds], stored: str | None = None
    ) -> None:
        self._key = key
        self._off = {name: item.off for name, item in thresholds.items()}
        self._top: deque[float] = deque(maxlen=_FRAMES)
        self._unknown: deque[bool] = deque(maxlen=_FRAMES)
        self._features: deque[NDArray[np.float32]] = deque(maxlen=_FRAMES)
        self._reference = _reference(key, stored)

    def saw(self, found: Classification) -> None:
        """Take in a classified frame."""
        top = float(found.probabilities.max())
        answers = [found.probability(name) >= off for name, off in self._off.items()]
        others = [name for name in found.class_names if name not in self._off]
        self._top.append(min(max(top, 0.0), 1.0))
        self._unknown.append(
            not any(answers) and all(found.probability(name) < _SURE for name in others)
        )
        if np.isfinite(found.scene_features).all():
            self._features.append(found.scene_features)
        if self._reference is None and len(self._features) == _FRAMES:
            self._reference = _mean(self._features)

    def report(self) -> Drift:
        """Return what health says; null where too little was seen."""
        if not self._top:
            return Drift()
        return Drift(
            mean_top_probability=round(float(np.mean(self._top)), 4),
            unknown_rate=round(float(np.mean(self._unknown)), 4),
            feature_distance=self._distance(),
        )

    def stored(self) -> str | None:
        """Return the reference as text, to be kept over restarts; None while there is none."""
        if self._reference is None:
            return None
        mean = [round(float(value), 5) for value in self._reference]
        return json.dumps({"key": self._key, "mean": mean})

    def _distance(self) -> float | None:
        if self._reference is None or not self._features:
            return None
        now = _mean(self._features)
        if now.shape != self._reference.shape:
            return None
        return round(min(max(1.0 - float(now @ self._reference), 0.0), 2.0), 4)


def _mean(features: deque[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the direction of the mean of directions."""
    stacked = np.stack(list(features))
    mean = (stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9)).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def _reference(key: str, stored: str | None) -> NDArray[np.float32] | None:
    try:
        document = json.loads(stored or "{}")
        return np.asarray(document["mean"], np.float32) if document["key"] == key else None
    except (ValueError, KeyError, TypeError):  # of another version, or none yet
        return None
