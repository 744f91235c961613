"""The classifier: a frame and the part of it where something moved -> class probabilities."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.postprocess import class_probabilities
from edgeclip.contract.preprocess import prepare
from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import BackendError
from edgeclip_device.backends.base import Backend
from edgeclip_device.packs import LoadedPack

_MOST_TOP = 5  # a detection carries no more


@dataclass(frozen=True)
class Classification:
    """What the pack says of a frame.

    Attributes:
        probabilities: `(C,)` float32 in [0, 1] in the pack's order, sum 1: of the view, whole frame
            or crop, that is surer of a target.
        from_crop: Whether that was the crop.
        infer_ms: Preprocessing and graph.
        scene_features: `(E,)` float32 of the whole frame, before the adapters; for drift.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    from_crop: bool
    infer_ms: float
    scene_features: NDArray[np.float32]

    def probability(self, class_name: str) -> float:
        """Return the probability of one class, in [0, 1]."""
        return float(self.probabilities[self.class_names.index(class_name)])

    def margin(self, class_name: str) -> float:
        """Return its distance to the likeliest other class, in [-1, 1]."""
        index = self.class_names.index(class_name)
        others = np.delete(self.probabilities, index)
        return float(self.probabilities[index] - others.max())

    def top(self) -> list[tuple[str, float]]:
        """Return the likeliest classes, at most five, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:_MOST_TOP]
        return [
            (self.class_names[int(i)], round(float(np.clip(self.probabilities[i], 0, 1)), 4))
            for i in order
        ]


class Classifier:
    """Classifies frames with one pack.

    Args:
        backend: With the pack bound.
        pack: Its classes and preprocessing.
    """

    def __init__(self, backend: Backend, pack: LoadedPack) -> None:
        self._backend = backend
        self._manifest = pack.manifest
        names = pack.manifest.class_names
        self._class_names = tuple(names)
        self._targets = [names.index(name) for name in pack.manifest.targets]

    def classify(self, image: NDArray[np.uint8], crop: Box | None) -> Classification:
        """Return what the pack says of a frame; both views go as one batch.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            crop: Where something moved, relative to the image; None for the whole frame alone.

        Raises:
            BackendError: The engine failed, or its probabilities are not finite.
        """
        began = time.perf_counter()
        spec = self._manifest.preprocess
        views = [prepare(image, spec)]
        if crop is not None:
            views.append(prepare(image, spec, crop))
        outputs = self._backend.run(np.stack(views))
        columns = outputs.probabilities
        if not np.isfinite(columns).all():
            raise BackendError(f"{self._backend.name} gave probabilities that are not finite")
        classes = class_probabilities(columns, self._manifest.column_class, len(self._class_names))
        surest = int(classes[:, self._targets].max(axis=1).argmax())
        infer_ms = (time.perf_counter() - began) * 1000
        scene = outputs.base_embedding[0]
        return Classification(self._class_names, classes[surest], surest == 1, infer_ms, scene)
