"""What the results' writers are told of a run beside its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from edgeclip.contract.attributes import PackAttributes
from edgeclip.contract.pack import ObservationType, PackManifest
from edgeclip.contract.postprocess import best_class


@dataclass(frozen=True)
class About:
    """A run, as results tell it; nothing of it depends on when or how often it was interrupted.

    Attributes:
        manifest: Classes and thresholds.
        answerer: Pack, version and runtime.
        pack_sha256: Of the manifest that names all files of it.
        begun_at: When the run was begun, aware UTC.
        attributes: What is asked in words beside the class; None where nothing is.
    """

    manifest: PackManifest
    answerer: str
    pack_sha256: str
    begun_at: datetime
    attributes: PackAttributes | None = None

    def decision(self, probabilities: Sequence[float]) -> str | None:
        """Return the target whose threshold is reached, the likeliest of several, or None."""
        return decided(probabilities, self.manifest)

    def likeliest(self, probabilities: Sequence[float]) -> tuple[int, float]:
        """Return index and probability of the likeliest class; the first of equals."""
        index = max(range(len(probabilities)), key=lambda i: probabilities[i])
        return index, probabilities[index]

    def kind(self, index: int) -> ObservationType:
        """Return what kind of observation a class is."""
        return self.manifest.classes[index].observation_type

    def presence(self, probabilities: Sequence[float]) -> float:
        """Return the probability that the image is not blank."""
        blank = sum(p for i, p in enumerate(probabilities) if self.kind(i) == "blank")
        return round(min(max(1.0 - blank, 0.0), 1.0), 5)


def decided(probabilities: Sequence[float], manifest: PackManifest) -> str | None:
    """Return the target whose threshold is reached, the likeliest of several, or None.

    Args:
        probabilities: One a class, as records have them.
        manifest: Of the pack.
    """
    on = {name: item.on for name, item in manifest.thresholds.items()}
    return best_class(np.asarray(probabilities, np.float32), manifest.class_names, on)
