"""MegaDetector's results JSON, format 1.6, which Timelapse, AddaxAI and zamba read.

Without a detector the box is around what is decided, by the heat of the encoder's cells, else the
whole frame, and its confidence the probability that the image is not blank; a processed image that
is surely blank has no detection, a failure has null. Such boxes say what they are
(`edgeclip_box`), so that nobody takes them for a detector's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from edgeclip.archive.about import About
from edgeclip.archive.index import Row
from edgeclip.contract.megadetector import (
    CATEGORIES,
    FORMAT_VERSION,
    OWN_BOX,
    OWN_THRESHOLDS,
    WHOLE_FRAME,
    category_of,
    description_of,
)

_NUMBER_OF = {name: number for number, name in CATEGORIES.items()}
_LEAST_CONFIDENCE = 0.005


def megadetector_json(rows: Iterable[Row], about: About, file: IO[str]) -> None:
    """Write all images, one a line, in the order of the list.

    Args:
        rows: Images.
        about: The run.
        file: UTF-8.
    """
    head = json.dumps(_head(about), ensure_ascii=False, indent=1)
    file.write(f'{head[:-2]},\n "images": [')
    for number, row in enumerate(rows):
        file.write(",\n" if number else "\n")
        file.write(json.dumps(_image(row, about), ensure_ascii=False))
    file.write("\n ]\n}\n")


def _head(about: About) -> dict[str, Any]:
    manifest = about.manifest
    return {
        "info": {
            "format_version": FORMAT_VERSION,
            "detector": "edgeclip: boxes by heat, whole frames, or the detector that was given",
            "classifier": f"edgeclip {about.answerer} ({about.pack_sha256[:12]})",
            "classifier_metadata": _decided_at(about),
        },
        "detection_categories": CATEGORIES,
        "classification_categories": {str(i): each.name for i, each in enumerate(manifest.classes)},
        "classification_category_descriptions": {
            str(i): description_of(each.scientific_name) for i, each in enumerate(manifest.classes)
        },
    }


def _decided_at(about: About) -> dict[str, Any]:
    """Return what decides: each pack's threshold of each of its targets.

    The format has room for one number for all classes. It stands there where one is right;
    otherwise readers would hide what is decided, or show what is not.
    """
    own = {
        name: {target: item.on for target, item in pack.thresholds.items()}
        for name, pack in about.deciders.packs.items()
    }
    levels = {level for pack in own.values() for level in pack.values()}
    typical = {"typical_classification_threshold": levels.pop()} if len(levels) == 1 else {}
    return {**typical, OWN_THRESHOLDS: own}


def _image(row: Row, about: About) -> dict[str, Any]:
    record = row.record
    if record.failure is not None:
        return {"file": record.file, "failure": record.failure, "detections": None}
    facts: dict[str, Any] = {
        "file": record.file,
        "detections": _detections(row, about),
        "datetime": record.taken_at.strftime("%Y-%m-%d %H:%M:%S") if record.taken_at else None,
        "width": record.width,
        "height": record.height,
        "seq_id": row.sequence,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _detections(row: Row, about: About) -> list[dict[str, Any]]:
    record = row.record
    if record.boxes:
        return [
            _detection(_NUMBER_OF[b.category], b.confidence, b.box, b.probabilities)
            for b in record.boxes
        ]
    confidence = about.presence(record.probabilities)
    if confidence < _LEAST_CONFIDENCE:
        return []
    if record.where and (target := about.decision(record.probabilities, record.pack)):
        kind = about.kind(about.manifest.class_names.index(target))
        category = category_of(kind) or "1"
        found = _detection(category, confidence, record.where, record.probabilities)
        return [found | {OWN_BOX: "heat"}]
    best = max(
        (i for i in range(len(record.probabilities)) if about.kind(i) != "blank"),
        key=lambda i: record.probabilities[i],
        default=0,
    )
    category = category_of(about.kind(best)) or "1"
    found = _detection(category, confidence, WHOLE_FRAME, record.probabilities)
    return [found | {OWN_BOX: "whole frame"}]


def _detection(
    category: str, confidence: float, box: Sequence[float], probabilities: Sequence[float]
) -> dict[str, Any]:
    order = sorted(range(len(probabilities)), key=lambda i: (-probabilities[i], i))
    return {
        "category": category,
        "conf": float(confidence),
        "bbox": [round(float(side), 5) for side in box],
        "classifications": [[str(i), float(probabilities[i])] for i in order],
    }
