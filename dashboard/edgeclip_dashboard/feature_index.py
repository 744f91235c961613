"""All image features of one encoder in one matrix, which follows the database."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from edgeclip.contract.encoder_view import features_from
from edgeclip_dashboard.models_field import ImageFeatures

_OVERLAP = 1000  # rows that are read again: others may commit a lower number later
_AT_ONCE = 5000
_FIRST_ROOM = 1024

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Ranking:
    """All detections with features of the encoder, the most similar first.

    Attributes:
        detection_ids: In that order.
        similarities: `(n,)` float32 cosines in [-1, 1], falling.
    """

    detection_ids: tuple[str, ...]
    similarities: Array


class FeatureIndex:
    """Ranks detections by their features; from any thread.

    100,000 features of 512 numbers take 205 MB.

    Args:
        engine: Of the database.
        base_sha256: Features of other encoders are not comparable, and left out.
        embed_dim: E.
    """

    def __init__(self, engine: Engine, base_sha256: str, embed_dim: int) -> None:
        self._engine = engine
        self.base_sha256 = base_sha256
        self._width = embed_dim
        self._lock = threading.Lock()
        self._forget()

    def rank(self, features: Array, most: int) -> Ranking:
        """Return the most similar detections of those that are stored now.

        Args:
            features: `(E,)` float32, of length 1.
            most: How many, 1 or more.
        """
        with self._lock:
            self._follow()
            scores = self._matrix[: len(self._ids)] @ features
            most = min(most, len(scores))
            best = np.argpartition(-scores, most - 1)[:most] if most else np.zeros(0, np.intp)
            order = best[np.argsort(-scores[best], kind="stable")]
            return Ranking(tuple(self._ids[int(i)] for i in order), scores[order])

    def rank_among(self, features: Array, detection_ids: list[str]) -> Ranking:
        """Return those of some detections that have features, the most similar first."""
        with self._lock:
            self._follow()
            rows = [self._rows[item] for item in detection_ids if item in self._rows]
            scores = self._matrix[rows] @ features
            order = np.argsort(-scores, kind="stable")
            return Ranking(tuple(self._ids[rows[int(i)]] for i in order), scores[order])

    def __len__(self) -> int:
        """Return how many detections have features of this encoder, as of the last search."""
        return len(self._ids)

    def _forget(self) -> None:
        self._matrix: Array = np.empty((_FIRST_ROOM, self._width), np.float32)
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._newest = 0

    def _follow(self) -> None:
        """Take in what was stored since; begin anew where something was removed."""
        with Session(self._engine) as session:
            self._read_after(session, max(0, self._newest - _OVERLAP))
            own = ImageFeatures.base_sha256 == self.base_sha256
            stored = session.scalar(select(func.count()).select_from(ImageFeatures).where(own))
            if stored is not None and stored < len(self._ids):
                self._forget()
                self._read_after(session, 0)

    def _read_after(self, session: Session, number: int) -> None:
        columns = (ImageFeatures.number, ImageFeatures.detection_id, ImageFeatures.vector)
        query = (
            select(*columns)
            .where(ImageFeatures.base_sha256 == self.base_sha256, ImageFeatures.number > number)
            .order_by(ImageFeatures.number)
            .execution_options(yield_per=_AT_ONCE)
        )
        for found, detection_id, vector in session.execute(query):
            self._newest = max(self._newest, found)
            self._put(detection_id, features_from(vector))

    def _put(self, detection_id: str, features: Array) -> None:
        if features.shape != (self._width,):
            return  # of a device that names this encoder and sends another's
        row = self._rows.setdefault(detection_id, len(self._ids))
        if row == len(self._ids):
            self._ids.append(detection_id)
            if row == len(self._matrix):
                room = np.empty((2 * row, self._width), np.float32)
                room[:row] = self._matrix
                self._matrix = room
        self._matrix[row] = features
