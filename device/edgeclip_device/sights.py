"""What the encoder saw of a frame's surer view, and what a detection tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.detection import MOST_BYTES, Detection
from edgeclip.contract.encoder_view import MOST_CELLS, Heat, ImageFeatures, View
from edgeclip.contract.heat_box import heat_box
from edgeclip.contract.likeness import likeness_map
from edgeclip.contract.preprocess import square_box
from edgeclip.contract.preprocess_spec import Box
from edgeclip.contract.slots import reaches_inside
from edgeclip_device.backends.base import Outputs

if TYPE_CHECKING:
    from edgeclip.contract.pack import PackManifest
    from edgeclip_device.packs import LoadedPack
    from edgeclip_device.seen import Seen

_WHOLE = (0.0, 0.0, 1.0, 1.0)
_ROW_BYTES = 64  # the outbox puts in its own epoch and row number

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sight:
    """Of one view.

    Attributes:
        features: `(E,)` float32 by the untouched encoder; None where the pack changes it.
        cells: `(N - 1, K)` float32, how much each cell is like each of the pack's columns; None
            where the graph does not say, or another pack was bound.
    """

    features: Array | None = None
    cells: Array | None = None


def sight_of(pack: LoadedPack, outputs: Outputs, view: int, *, is_bound: bool) -> Sight:
    """Return what the encoder saw of a view.

    Args:
        pack: The one that answers.
        outputs: Of the pass that it answers from.
        view: Index in the batch.
        is_bound: Whether it was bound in that pass; else another pack's columns were.
    """
    features = outputs.base_embedding[view] if _keeps_encoder(pack) else None
    scores = outputs.patch_scores if is_bound else None
    cells = None if scores is None else scores[view]
    return Sight(_finite(features), _finite(cells))


def told_features(seen: Seen, manifest: PackManifest) -> ImageFeatures | None:
    """Return a frame's features as a detection carries them; None where there are none.

    Args:
        seen: The frame; of one that shows a person nothing is told.
        manifest: Of the pack that answered.
    """
    features = seen.classification.sight.features
    if seen.shows_person or features is None or not features.any():
        return None
    return ImageFeatures.of(features, manifest.base.weights_sha256, _view(seen))


def told_where(
    seen: Seen, class_name: str | None, manifest: PackManifest, margin: float
) -> tuple[Heat, Box | None] | None:
    """Return where in a frame its class is, by cells and by a box on the whole frame.

    Args:
        seen: The frame; of one that shows a person nothing is told.
        class_name: Of the detection.
        manifest: Of the pack that answered.
        margin: Around what moved, as the preprocessing has it.

    Returns:
        None where the graph does not say.
    """
    cells = seen.classification.sight.cells
    if seen.shows_person or cells is None or class_name is None:
        return None
    likeness = likeness_map(cells, class_name, manifest)
    if likeness is None:
        return None
    in_crop = seen.crop is not None and seen.classification.from_crop
    view = square_box(seen.image, seen.crop, margin) if in_crop and seen.crop else _WHOLE
    levels = _levels(likeness)
    return (
        None if levels is None else (Heat.of(levels, _view(seen), view), heat_box(likeness, view))
    )


def _levels(likeness: Array) -> NDArray[np.uint8] | None:
    """Return at most 32 x 32 cells, 0 the least like and 255 the most; None if all are alike."""
    if len(likeness) > MOST_CELLS:
        size = (MOST_CELLS, MOST_CELLS)
        likeness = np.asarray(cv2.resize(likeness, size, interpolation=cv2.INTER_AREA), np.float32)
    low, high = float(likeness.min()), float(likeness.max())
    if not high > low:
        return None
    return np.asarray(np.rint((likeness - low) * (255 / (high - low))), np.uint8)


def within_limit(detection: Detection) -> Detection:
    """Return a detection without heat, then without features, where it would be too large."""
    for part in ("heat", "features"):
        if len(detection.to_json()) + _ROW_BYTES <= MOST_BYTES:
            break
        detection = detection.model_copy(update={part: None})
    return detection


def _keeps_encoder(pack: LoadedPack) -> bool:
    """Say whether `base_embedding` is what the encoder says without the pack."""
    slots = pack.manifest.slots
    folds = pack.bundle_manifest.baked and "projection_delta" in slots
    return not folds and not reaches_inside(slots)


def _view(seen: Seen) -> View:
    return "crop" if seen.classification.from_crop else "full"


def _finite(array: Array | None) -> Array | None:
    return array if array is not None and np.isfinite(array).all() else None
