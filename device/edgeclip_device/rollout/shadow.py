"""A candidate beside the packs that decide: the same frames, and how often both decide the same."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import BackendError
from edgeclip_device.heads import Classification
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.rollout.settings import PackSettings
from edgeclip_device.rollout.shelf import Counts

Facts = Mapping[str, str]
_NOTHING: Facts = {}


class Classifies(Protocol):
    """What stands between the gate and the visits."""

    def classify(
        self, image: NDArray[np.uint8], crop: Box | None, facts: Facts = _NOTHING
    ) -> list[Classification]:
        """Return what packs say of a frame; see `Classifier.classify`."""


@dataclass
class Shadow:
    """A candidate's classifier, and what it showed.

    Attributes:
        classifier: Of the candidate.
        router: Its packs, for their thresholds.
        settings: The rule.
        failure: Why it is rejected at once; empty while nothing speaks against it.
    """

    classifier: Classifies
    router: PackRouter
    settings: PackSettings
    frames: int = 0
    agreed: int = 0
    failure: str = ""
    ours_ms: list[float] = field(default_factory=list)
    candidate_ms: list[float] = field(default_factory=list)

    def see(
        self,
        frame: tuple[NDArray[np.uint8], Box | None, Facts],
        ours: Sequence[Classification],
        router: PackRouter,
    ) -> None:
        """Classify a frame, and compare.

        Args:
            frame: What the packs that decide were given.
            ours: What they say.
            router: Those packs, for their thresholds.
        """
        if self.verdict() is not None:
            return
        try:
            theirs = self.classifier.classify(*frame)
        except BackendError as error:
            self.failure = f"it failed on a frame: {error}"
            return
        common = _targets(router) & _targets(self.router)
        self.frames += 1
        self.agreed += _seen(ours, router) & common == _seen(theirs, self.router) & common
        self.ours_ms.append(ours[0].infer_ms)
        self.candidate_ms.append(theirs[0].infer_ms)

    def counts(self) -> Counts:
        """Return what it showed so far."""
        return Counts(
            frames=self.frames,
            agreed=self.agreed,
            ours_ms=round(statistics.median(self.ours_ms), 2) if self.ours_ms else 0.0,
            candidate_ms=round(statistics.median(self.candidate_ms), 2) if self.ours_ms else 0.0,
        )

    def verdict(self) -> str | None:
        """Return None while it runs, why it is rejected, or nothing where it may be promoted."""
        if self.failure:
            return self.failure
        if self.frames < self.settings.shadow_frames:
            return None
        counts = self.counts()
        if counts.agreement < self.settings.min_agreement:
            return (
                f"it agrees on {self.agreed} of {self.frames} frames, [packs].min_agreement is"
                f" {self.settings.min_agreement}"
            )
        if counts.candidate_ms > self.settings.max_slowdown * max(counts.ours_ms, 0.1):
            return f"it takes {counts.candidate_ms} ms in place of {counts.ours_ms}"
        return ""


class Shadowed:
    """The classifier that decides, with a shadow beside it.

    Args:
        classifier: Decides.
        router: Its packs.
    """

    def __init__(self, classifier: Classifies, router: PackRouter) -> None:
        self._classifier = classifier
        self._router = router
        self.shadow: Shadow | None = None

    def classify(
        self, image: NDArray[np.uint8], crop: Box | None, facts: Facts = _NOTHING
    ) -> list[Classification]:
        """Return what the packs that decide say of a frame."""
        answers = self._classifier.classify(image, crop, facts)
        if self.shadow is not None and answers:
            self.shadow.see((image, crop, facts), answers, self._router)
        return answers


def _targets(router: PackRouter) -> set[str]:
    return {name for pack in router.packs for name in pack.manifest.targets}


def _seen(answers: Sequence[Classification], router: PackRouter) -> set[str]:
    """Return the targets that reach their `on`."""
    found = set()
    for answer in answers:
        for pack in router.packs:
            if pack.manifest.task == answer.task:
                found |= {
                    name
                    for name, thresholds in pack.thresholds.items()
                    if answer.probability(name) >= thresholds.on
                }
    return found
