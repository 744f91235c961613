"""Labelled images without files, and contenders with given probabilities, for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from edgeclip.contenders import Contender
from edgeclip.contract.preprocess_spec import Box
from edgeclip.evaluation.images import JudgedImages
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts

START = datetime(2024, 5, 1, 6, tzinfo=timezone.utc)
NAMES = ("leopard", "deer", "blank")
DAY, NIGHT = 100.0, 2.0  # saturation


@dataclass(frozen=True)
class Row:
    """One image: its class, and where, when and how it was taken."""

    class_name: str
    place: str | None = "A"
    at_s: float | None = None
    sequence: str | None = None
    box: Box | None = None
    saturation: float = DAY
    sequence_level: bool = False
    camera: str | None = None


def judged(rows: Sequence[Row], names: Sequence[str] = NAMES) -> JudgedImages:
    """Return images without files."""
    return JudgedImages([_image(number, row) for number, row in enumerate(rows)], names)


def contender(
    probabilities: Sequence[Sequence[float]] | np.ndarray,
    *,
    name: str = "adapter",
    on: Mapping[str, float] | None = None,
    uncalibrated: np.ndarray | None = None,
) -> Contender:
    """Return a contender with thresholds for the leopard alone, unless others are given."""
    rows = np.asarray(probabilities, np.float32)
    return Contender(name, rows, on or {"leopard": 0.5}, 100, 10, 1.5, uncalibrated=uncalibrated)


def sure_of(classes: Sequence[str], share: float = 0.8) -> np.ndarray:
    """Return `(n, 3)` probabilities with one class each at `share`."""
    rest = (1 - share) / 2
    return np.asarray([[share if own == name else rest for name in NAMES] for own in classes])


def many(places: int = 8, images: int = 12, *, seed: int = 0) -> JudgedImages:
    """Return images of all classes at several places, in bursts of three, day and night."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(places * images):
        place, burst = number // images, number // 3
        rows.append(
            Row(
                NAMES[burst % 3], f"P{place}", burst * 3600 + number, f"P{place}/{burst}",
                (0.1, 0.1, float(rng.uniform(0.05, 0.5)), 0.3) if burst % 3 < 2 else None,
                NIGHT if burst % 2 else DAY,
            )
        )  # fmt: skip
    return judged(rows)


def noisy(images: JudgedImages, skill: float, *, seed: int = 0) -> np.ndarray:
    """Return `(n, C)` probabilities that favour the true class the more, the higher the skill."""
    rng = np.random.default_rng(seed)
    classes = len(images.class_names)
    logits = rng.normal(0, 1, (len(images.images), classes))
    logits[np.arange(len(logits)), images.classes] += skill
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _image(number: int, row: Row) -> LabelledImage:
    at = None if row.at_s is None else START + timedelta(seconds=row.at_s)
    facts = ImageFacts(f"{number:064d}", 64, 48, row.saturation, at)
    sequence = row.sequence or f"{row.place or '?'}/{number}"
    return LabelledImage(
        Path(f"{number}.jpg"), row.class_name, row.place, at, sequence, None, row.box, facts,
        camera=row.camera,
        sequence_level=row.sequence_level,
    )  # fmt: skip
