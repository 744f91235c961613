from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip.contract.encoder_view import ImageFeatures as Told
from edgeclip.contract.encoder_view import features_from
from edgeclip_dashboard.models_field import ImageFeatures
from support.dashboards import fresh_id, sample
from support.samples import HASH

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _told(axis: int) -> Told:
    return Told.of(np.eye(4, dtype=np.float32)[axis], HASH, "full")


def _revision(detection_id: str, rev: int, axis: int | None) -> Detection:
    features = None if axis is None else _told(axis)
    return sample(detection_id=detection_id, rev=rev, seq=rev + 1, features=features)


def _stored(desk: Desk) -> list[tuple[int, int]]:
    """Revision, and which axis its features point along, by detection."""
    with Session(desk.engine) as session:
        rows = session.scalars(select(ImageFeatures).order_by(ImageFeatures.number))
        return [(row.rev, int(features_from(row.vector).argmax())) for row in rows]


def test_features_are_kept_with_their_encoder(desk: Desk) -> None:
    desk.commit(_revision(fresh_id(), 0, 2))
    assert _stored(desk) == [(0, 2)]
    with Session(desk.engine) as session:
        assert session.scalars(select(ImageFeatures.base_sha256)).one() == HASH


def test_a_detection_without_features_has_none(desk: Desk) -> None:
    desk.commit(_revision(fresh_id(), 0, None))
    assert _stored(desk) == []


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "three batches"])
def test_the_highest_revision_that_has_any_counts_in_whatever_order(
    desk: Desk, *, together: bool
) -> None:
    detection_id = fresh_id()
    later = [
        _revision(detection_id, rev, axis) for rev, axis in ((2, 3), (1, 1), (0, 0), (3, None))
    ]
    if together:
        desk.commit(*later)
    else:
        for revision in later:
            desk.commit(revision)
    assert _stored(desk) == [(2, 3)]


def test_features_that_come_again_are_stored_once(desk: Desk) -> None:
    told = _revision(fresh_id(), 0, 1)
    desk.commit(told)
    desk.commit(told)
    assert _stored(desk) == [(0, 1)]
