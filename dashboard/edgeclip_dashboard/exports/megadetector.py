"""MegaDetector results JSON 1.6, as Timelapse and AddaxAI read it, streamed.

Format: lila.science/megadetector-output-format. The box is what moved, with conf = 1 - p(blank);
species are its classifications.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TextIO

from edgeclip.contract.megadetector import (
    CATEGORIES,
    FORMAT_VERSION,
    WHOLE_FRAME,
    category_of,
    description_of,
)
from edgeclip_dashboard.exports.judging import BLANK
from edgeclip_dashboard.exports.visits import Picture, Visit


class MegaDetectorFile:
    """One results file; entries are added one by one, and `close` makes it whole."""

    def __init__(self, out: TextIO, now: datetime) -> None:
        """Begin the file.

        Args:
            out: Where it is written.
            now: Aware UTC.
        """
        self._out = out
        self._classes: dict[str, str] = {}
        self._scientific: dict[str, str] = {}
        self._count = 0
        info = {
            "format_version": FORMAT_VERSION,
            "detector": "edgeclip motion gate",
            "classifier": "edgeclip",
            "detection_completion_time": f"{now:%Y-%m-%d %H:%M:%S}",
            "classification_completion_time": f"{now:%Y-%m-%d %H:%M:%S}",
            "datetime_zone": "UTC",
        }
        out.write(f'{{\n"info": {json.dumps(info)},\n"images": [')

    def add(self, visit: Visit, picture: Picture, *, is_best: bool) -> None:
        """Add what is said of one picture.

        Args:
            visit: What it belongs to.
            picture: One of its pictures.
            is_best: Whether it is the frame that the probabilities are of.
        """
        entry: dict[str, Any] = {
            "file": picture.name,
            "width": picture.width,
            "height": picture.height,
            "datetime": f"{visit.best_at:%Y-%m-%d %H:%M:%S}",
        }
        if visit.row.failure is not None:
            entry |= {"failure": visit.row.failure, "detections": None}
        else:
            entry |= {"failure": None, "detections": self._detections(visit, picture, is_best)}
        self._out.write(("," if self._count else "") + "\n" + json.dumps(entry))
        self._count += 1

    def close(self) -> None:
        """Write what is known at the end only: the classes."""
        classes = {number: name for name, number in self._classes.items()}
        self._out.write(f'\n],\n"detection_categories": {json.dumps(CATEGORIES)}')
        self._out.write(f',\n"classification_categories": {json.dumps(classes)}')
        described = {number: self._scientific.get(name, "") for number, name in classes.items()}
        if any(described.values()):
            self._out.write(f',\n"classification_category_descriptions": {json.dumps(described)}')
        self._out.write("\n}\n")

    def _detections(self, visit: Visit, picture: Picture, is_best: bool) -> list[dict[str, Any]]:
        judged = visit.judged
        category = category_of(judged.observation_type)
        if category is None:
            return []
        found = {
            "category": category,
            "conf": 1.0 if judged.is_human else _rounded(1.0 - _blank(visit)),
            "bbox": [_rounded(part) for part in picture.box or WHOLE_FRAME],
        }
        said = list(self._classifications(visit, is_best)) if visit.is_observation else []
        return [found | {"classifications": said} if said else found]

    def _classifications(self, visit: Visit, is_best: bool) -> Iterator[list[Any]]:
        """Yield class and probability, descending; what counts is always the first."""
        judged, top = visit.judged, visit.detection.top
        if judged.class_name is None:
            return
        if judged.scientific_name:
            self._scientific[judged.class_name] = description_of(judged.scientific_name)
        likeliest = sorted(top, key=lambda pair: -pair[1])
        if judged.is_human or not is_best or not likeliest or likeliest[0][0] != judged.class_name:
            certainty = 1.0 if judged.is_human else judged.probability or 0.0
            yield [self._number(judged.class_name), _rounded(certainty)]
            return
        for name, probability in likeliest:
            if name != BLANK:
                yield [self._number(name), _rounded(probability)]

    def _number(self, name: str) -> str:
        return self._classes.setdefault(name, str(len(self._classes)))


def _blank(visit: Visit) -> float:
    return dict(visit.detection.top).get(BLANK, 0.0)


def _rounded(value: float) -> float:
    return round(float(value), 4)
