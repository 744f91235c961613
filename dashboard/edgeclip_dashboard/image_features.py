"""The image features of detections, as the store keeps them: of each the highest revision's."""

from __future__ import annotations

from sqlalchemy import select

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models_field import ImageFeatures


def note_features(batch: Batch, detection: Detection, *, is_first: bool) -> None:
    """Keep a revision's features, unless those of a higher revision are there.

    Args:
        batch: An open transaction.
        detection: The revision.
        is_first: None of its revisions is stored yet.
    """
    told = detection.features
    if told is None:
        return
    held = None if is_first else _held(batch, detection.detection_id)
    if held is not None:
        if held.rev >= detection.rev:
            return
        batch.session.delete(held)  # the new row gets a number by which searches find it
        batch.session.flush()
    row = ImageFeatures(
        detection_id=detection.detection_id,
        rev=detection.rev,
        base_sha256=told.base_sha256,
        vector=told.to_bytes(),
    )
    batch.session.add(row)


def _held(batch: Batch, detection_id: str) -> ImageFeatures | None:
    waiting = [row for row in batch.session.new if isinstance(row, ImageFeatures)]
    own = next((row for row in waiting if row.detection_id == detection_id), None)
    if own is not None:
        batch.session.flush()
        return own
    query = select(ImageFeatures).where(ImageFeatures.detection_id == detection_id)
    return batch.session.scalar(query)
