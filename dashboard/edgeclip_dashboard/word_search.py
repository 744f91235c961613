"""Detections ranked by words: the encoder's text features against all image features."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.feature_index import FeatureIndex, Ranking
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_field import ImageFeatures
from edgeclip_dashboard.queries import DetectionView, detection_views
from edgeclip_dashboard.text_encoder import Encoder, TextEncoder

_FIRST_LOOK = 1000  # so many of the best are looked at before the filter is asked for all it has


@dataclass(frozen=True)
class Hit:
    """A detection, and how similar its image is to the words: a cosine, no probability."""

    similarity: float
    view: DetectionView


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes:
        hits: The most similar first.
        encoder: Whose features were compared.
        searched: How many detections have features of this encoder.
        of_others: How many have features of another one, and cannot be ranked.
    """

    hits: tuple[Hit, ...]
    encoder: Encoder
    searched: int
    of_others: int


class WordSearch:
    """Searches by words; from any thread.

    Args:
        engine: Of the database.
        encoder: Answers with text features.
    """

    def __init__(self, engine: Engine, encoder: TextEncoder) -> None:
        self._engine = engine
        self._encoder = encoder
        self._lock = threading.Lock()
        self._index: FeatureIndex | None = None

    def find(self, words: str, shown: DetectionFilter, most: int) -> Found:
        """Return the detections of a filter that are most like the words.

        Args:
            words: 1 to 200 letters.
            shown: Which detections are ranked.
            most: How many are returned, 1 to 1000.

        Raises:
            SetupError: The text encoder cannot be had; the message says what to do.
            SQLAlchemyError: The database cannot be read.
        """
        encoder, features = self._encoder.ask(words)
        index = self._index_of(encoder)
        with Session(self._engine) as session:
            hits = _hits(session, index, features, shown, most)
            other = ImageFeatures.base_sha256 != encoder.weights_sha256
            others = session.scalar(select(func.count()).select_from(ImageFeatures).where(other))
        return Found(hits, encoder, len(index), others or 0)

    def _index_of(self, encoder: Encoder) -> FeatureIndex:
        with self._lock:
            if self._index is None or self._index.base_sha256 != encoder.weights_sha256:
                self._index = FeatureIndex(self._engine, encoder.weights_sha256, encoder.embed_dim)
            return self._index


def _hits(
    session: Session,
    index: FeatureIndex,
    features: NDArray[np.float32],
    shown: DetectionFilter,
    most: int,
) -> tuple[Hit, ...]:
    best = index.rank(features, max(_FIRST_LOOK, most))
    rows = _among(session, shown, list(best.detection_ids[:_FIRST_LOOK]))
    if len(rows) < most and len(index) > _FIRST_LOOK:
        fitting = select(DetectionRow.detection_id).where(*shown.conditions())
        best = index.rank_among(features, list(session.scalars(fitting)))
        rows = _among(session, shown, list(best.detection_ids[:most]))
    return _in_order(session, best, rows, most)


def _among(
    session: Session, shown: DetectionFilter, detection_ids: list[str]
) -> dict[str, DetectionRow]:
    """Return those of some detections that a filter leaves in, by id."""
    named = DetectionRow.detection_id.in_(detection_ids)
    query = select(DetectionRow).where(named, *shown.conditions())
    return {row.detection_id: row for row in session.scalars(query)}


def _in_order(
    session: Session, best: Ranking, rows: dict[str, DetectionRow], most: int
) -> tuple[Hit, ...]:
    found = [
        (float(similarity), rows[detection_id])
        for detection_id, similarity in zip(best.detection_ids, best.similarities, strict=True)
        if detection_id in rows
    ][:most]
    views = detection_views(session, [row for _, row in found])
    return tuple(Hit(similarity, view) for (similarity, _), view in zip(found, views, strict=True))
