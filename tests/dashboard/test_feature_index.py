from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip.contract.encoder_view import ImageFeatures as Told
from edgeclip_dashboard.feature_index import FeatureIndex
from edgeclip_dashboard.models_field import ImageFeatures
from support.dashboards import fresh_id, sample
from support.samples import EPOCH, HASH

if TYPE_CHECKING:
    from dashboard.conftest import Desk

X, Y = (np.eye(4, dtype=np.float32)[axis] for axis in (0, 1))


def _seen(
    vector: NDArray[np.float32], *, base: str = HASH, rev: int = 0, name: str = ""
) -> Detection:
    features = Told.of(vector, base, "full")
    return sample(detection_id=name or fresh_id(), features=features, rev=rev, epoch=EPOCH)


def test_the_most_alike_come_first_with_their_cosine(desk: Desk) -> None:
    near, far = _seen(X + 0.1 * Y), _seen(Y)
    desk.commit(far, near)
    found = FeatureIndex(desk.engine, HASH, 4).rank(X, most=5)
    assert found.detection_ids == (near.detection_id, far.detection_id)
    np.testing.assert_allclose(found.similarities, [0.995, 0.0], atol=1e-3)


def test_it_follows_new_rows_and_better_revisions(desk: Desk) -> None:
    index = FeatureIndex(desk.engine, HASH, 4)
    assert index.rank(X, most=1).detection_ids == ()
    first, second = _seen(Y), _seen(X + Y)
    desk.commit(first)
    assert index.rank(X, most=1).detection_ids == (first.detection_id,)
    desk.commit(second)
    assert index.rank(X, most=1).detection_ids == (second.detection_id,)
    desk.commit(_seen(X, rev=1, name=first.detection_id))
    assert index.rank(X, most=1).detection_ids == (first.detection_id,)
    assert len(index) == 2


def test_what_was_removed_is_found_no_more(desk: Desk) -> None:
    index = FeatureIndex(desk.engine, HASH, 4)
    gone, kept = _seen(X), _seen(Y)
    desk.commit(gone, kept)
    assert index.rank(X, most=1).detection_ids == (gone.detection_id,)
    with Session(desk.engine) as session, session.begin():
        session.execute(
            delete(ImageFeatures).where(ImageFeatures.detection_id == gone.detection_id)
        )
    assert index.rank(X, most=5).detection_ids == (kept.detection_id,)


def test_features_of_another_encoder_or_size_are_left_out(desk: Desk) -> None:
    own = _seen(X)
    desk.commit(own, _seen(X, base="b" * 64), _seen(np.ones(6, np.float32)))
    assert FeatureIndex(desk.engine, HASH, 4).rank(X, most=9).detection_ids == (own.detection_id,)


def test_more_than_there_was_room_for_are_all_found(desk: Desk) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1100, 4)).astype(np.float32)
    desk.commit(*(_seen(vector) for vector in vectors))
    index = FeatureIndex(desk.engine, HASH, 4)
    found = index.rank(X, most=2000)
    assert len(found.detection_ids) == len(set(found.detection_ids)) == 1100
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.similarities, np.sort(units[:, 0])[::-1], atol=2e-3)


def test_some_of_them_are_ranked_alone(desk: Desk) -> None:
    first, second, third = _seen(X), _seen(X + Y), _seen(Y)
    desk.commit(first, second, third)
    index = FeatureIndex(desk.engine, HASH, 4)
    found = index.rank_among(X, [third.detection_id, second.detection_id, fresh_id()])
    assert found.detection_ids == (second.detection_id, third.detection_id)
