"""The classifier: a frame and the part of it where something moved -> what each pack says.

One pass through the encoder serves all packs of a frame that leave the encoder as it is; a pack
that reaches into it needs a pass of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess import prepare
from edgeclip.contract.preprocess_spec import Box
from edgeclip.contract.routing import Shares
from edgeclip.errors import BackendError
from edgeclip_device.backends.base import Backend, Outputs
from edgeclip_device.heads import Classification, columns_from, read_answer, shares_a_pass
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.packs import LoadedPack
from edgeclip_device.sights import Sight, sight_of

Array = NDArray[np.float32]
_NOTHING_KNOWN: Mapping[str, str] = {}


@dataclass
class ClassifierCounts:
    """What a classifier has done so far.

    Attributes:
        passes: Batches through the encoder.
        answers: Of a pack for a frame.
    """

    passes: int = 0
    answers: int = 0


class Classifier:
    """Classifies frames with the packs of one bundle.

    Args:
        backend: With the router's resident pack bound.
        router: The packs.
    """

    def __init__(self, backend: Backend, router: PackRouter) -> None:
        self.counts = ClassifierCounts()
        self._backend = backend
        self._router = router
        self._shares = [shares_a_pass(pack) for pack in router.packs]
        self._bound = router.resident

    def classify(
        self,
        image: NDArray[np.uint8],
        crop: Box | None,
        facts: Mapping[str, str] = _NOTHING_KNOWN,
    ) -> list[Classification]:
        """Return what the packs that are asked say of a frame; both views go as one batch.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            crop: Where something moved, relative to the image; None for the whole frame alone.
            facts: Camera, deployment and light, for the router.

        Raises:
            BackendError: The engine failed, or its probabilities are not finite.
        """
        began = time.perf_counter()
        spec = self._router.packs[0].manifest.preprocess
        views = [prepare(image, spec)]
        if crop is not None:
            views.append(prepare(image, spec, crop))
        answers = self._ask(np.stack(views), facts)
        infer_ms = (time.perf_counter() - began) * 1000
        self.counts.answers += len(answers)
        return [replace(answer, infer_ms=infer_ms) for answer in answers]

    def _ask(self, views: NDArray[np.uint8], facts: Mapping[str, str]) -> list[Classification]:
        router, chosen = self._router, self._router.by_facts(facts)
        shared: Outputs | None = None
        if chosen is None or any(self._shares[p] for p in chosen):
            shared = self._run(router.resident, views)
        if chosen is None and shared is not None:
            shares = router.by_look(shared.base_embedding[0], facts)
            if len(shares) > 1:
                return [self._mixed(shares, shared)]
            chosen = [shares[0][0]]
        return [self._answer(p, views, shared) for p in chosen or ()]

    def _answer(
        self, pack: int, views: NDArray[np.uint8], shared: Outputs | None
    ) -> Classification:
        if shared is None or not (self._shares[pack] or pack == self._router.resident):
            outputs = self._run(pack, views)
            return self._read(pack, outputs, outputs.probabilities, is_bound=True)
        is_bound = pack == self._router.resident
        return self._read(pack, shared, self._columns(pack, shared), is_bound=is_bound)

    def _mixed(self, shares: Shares, shared: Outputs) -> Classification:
        """Return one answer of several packs; its thresholds are those of the heaviest.

        A frame shows a person where any of them says so: that is never averaged away.
        """
        own = [(p, self._columns(p, shared)) for p, _ in shares]
        weights = [np.float32(weight) for _, weight in shares]
        columns = sum(weight * said for weight, (_, said) in zip(weights, own, strict=True))
        heaviest = shares[0][0]
        is_bound = heaviest == self._router.resident
        mixed = self._read(heaviest, shared, np.asarray(columns, np.float32), is_bound=is_bound)
        base, packs = shared.base_embedding[0], self._router.packs
        human = max(read_answer(packs[p].manifest, said, base).human for p, said in own)
        return replace(mixed, human=human)

    def _columns(self, pack: int, shared: Outputs) -> Array:
        """Return `(B, K)` of a pack that shares a pass."""
        if pack == self._router.resident:
            return shared.probabilities
        return columns_from(self._router.packs[pack], shared.base_embedding)

    def _read(
        self, pack: int, outputs: Outputs, columns: Array, *, is_bound: bool
    ) -> Classification:
        """Return a pack's answer from its columns; `is_bound` of the pass that `outputs` are of."""
        if not np.isfinite(columns).all():
            raise BackendError(f"{self._backend.name} gave probabilities that are not finite")
        loaded = self._router.packs[pack]
        answer = read_answer(loaded.manifest, columns, outputs.base_embedding[0])
        view = int(answer.from_crop)
        sight = sight_of(loaded, outputs, view, is_bound=is_bound)
        answers = _attribute_answers(loaded, answer.scene_features, sight)
        return replace(answer, sight=sight, answers=answers)

    def _run(self, pack: int, views: NDArray[np.uint8]) -> Outputs:
        """Return a pass of the encoder with a pack bound."""
        if pack != self._bound:
            self._bound = -1  # should it fail
            self._backend.bind(self._router.packs[pack].slots)
            self._bound = pack
        self.counts.passes += 1
        return self._backend.run(views)


def _attribute_answers(pack: LoadedPack, scene: Array, sight: Sight) -> Array | None:
    """Return what the frame says to the pack's attributes, on the features that are there."""
    if pack.attributes is None or sight.features is None:
        return None
    found = pack.attributes.probabilities(scene, sight.features)
    return found if np.isfinite(found).all() else None
