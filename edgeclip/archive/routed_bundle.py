"""Several packs of a bundle on its runtime: one pass of the encoder a view, whoever answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.answering import Answer, Views
from edgeclip.archive.bundle_answers import Runner, require_parity
from edgeclip.archive.several_packs import SeveralPacks
from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_gate import Outputs
from edgeclip.contract.postprocess import softmax
from edgeclip.contract.routing import pack_logits
from edgeclip.errors import BackendError
from edgeclip.routed_packs import RoutedPacks

Array = NDArray[np.float32]


def slots_of_all(packs: RoutedPacks, manifest: BundleManifest) -> dict[str, Array]:
    """Return what is bound so that one pass tells of the cells for all packs.

    Only `base_embedding` and `patch_scores` are read of that pass. The second is the cells times
    whatever class matrix is bound: here those of all packs side by side, as far as the engine's
    profile of K goes. Every pack's own answer is computed from the first.

    Args:
        packs: Of the bundle.
        manifest: Of the bundle.
    """
    matrices = [pack.tensors["class_weights"] for pack in packs.packs.values()]
    bound = np.ascontiguousarray(np.concatenate(matrices[: room_for(packs, manifest)], axis=1))
    return slots_to_bind(manifest, {"class_weights": bound, "logit_scale": np.ones(1, np.float32)})


def room_for(packs: RoutedPacks, manifest: BundleManifest) -> int:
    """Return for how many packs, the first ones, one pass tells of the cells; see there."""
    if "K" not in manifest.profiles:
        return len(packs.packs)
    columns = len(packs.manifest.column_class)
    return min(max(manifest.profiles["K"].max // columns, 1), len(packs.packs))


class RoutedBundle(SeveralPacks):
    """Packs of a bundle, each for its images, as on a device that asks one.

    Args:
        packs: Of the bundle.
        runner: With `slots_of_all` bound.
        boxed: For how many packs, the first ones, cells are told.
    """

    def __init__(self, packs: RoutedPacks, runner: Runner, boxed: int) -> None:
        super().__init__(packs, runner.name)
        self._runner = runner
        self._places = {name: place for place, name in enumerate(packs.packs)}
        without = list(self._places)[boxed:]
        line = (
            f"no boxes by heat of {', '.join(without)}: the bundle's profile of K has no room for"
            " the classes of all packs at once: look with that pack alone (--task)"
        )
        self.unsaid = [line] if without else []

    def answer(self, views: Views) -> list[Answer]:
        """Return an answer for each view; see `Answerer`."""
        outputs = self._runner.run(views.pixels)
        if not np.isfinite(outputs.base_embedding).all():
            raise BackendError(f"{self._runner.name} gave features that are not finite")
        scores = outputs.patch_scores
        return self.routed(
            outputs.base_embedding,
            views,
            lambda row, chosen: None if scores is None else self._scores(scores[row], chosen),
        )

    def _scores(self, scores: Array, chosen: str | None) -> Array | None:
        """Return the columns of one pack of those that were bound together."""
        if chosen is None:
            return None
        columns = len(self.manifest.column_class)
        first = self._places[chosen] * columns
        return scores[:, first : first + columns] if first < scores.shape[1] else None

    def check(self, bundle: BundleManifest) -> None:
        """Compare the golden outputs of each pack, computed as they will be.

        Raises:
            BackendError: They come out otherwise.
        """
        for pack in self.packs.packs.values():
            base = self._runner.run(pack.golden.images).base_embedding
            columns = softmax(pack_logits(pack.tensors, base), pack.manifest.temperature)
            golden = Outputs(pack.golden.base_embedding, pack.golden.probabilities)
            require_parity(self._runner, golden, Outputs(base, columns), pack.manifest, bundle)
