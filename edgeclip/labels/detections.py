"""Read MegaDetector's results JSON, in all its dialects, and SpeciesNet's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from edgeclip.contract.megadetector import OWN_BOX
from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.boxes import numbers_of, relative_box
from edgeclip.labels.classes import normal
from edgeclip.labels.json_text import Object, number_of, objects_in, text_of
from edgeclip.labels.sample import Problem
from edgeclip.labels.taxa import label_name
from edgeclip.labels.times import parse_time

_CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
_PLAIN = {"animals": "animal", "human": "person", "humans": "person", "people": "person"}
NOTHING = {"empty", "blank"}  # animl writes a category "0": "empty"


@dataclass(frozen=True)
class Detection:
    """One box of a detector.

    Attributes:
        category: `animal`, `person`, `vehicle`, or another name that the file gives.
        confidence: 0..1.
        box: Relative to the frame.
        label: The likeliest class of what is in the box, or None.
        is_own: Whether no detector made the box but `edgeclip predict`, by heat or of the frame.
    """

    category: str
    confidence: float
    box: Box
    label: str | None
    is_own: bool = False


@dataclass(frozen=True)
class DetectedImage:
    """What a detector says of one image.

    Attributes:
        file: As written.
        detections: In the file's order.
        failure: Why the image was not looked at, or None.
        captured_at: Aware UTC, or None.
        label: Of the whole image, or None.
    """

    file: str
    detections: tuple[Detection, ...]
    failure: str | None
    captured_at: datetime | None
    label: str | None = None


@dataclass(frozen=True)
class DetectorResults:
    """A results file.

    Attributes:
        images: In the file's order.
        problems: Entries that could not be used.
        version: Of the format as the file says, or an empty text.
    """

    images: tuple[DetectedImage, ...]
    problems: tuple[Problem, ...]
    version: str


def is_detector_results(content: Object) -> bool:
    """Say whether an object is a results file by its keys."""
    if isinstance(content.get("predictions"), list):
        return True
    return isinstance(content.get("images"), list) and (
        "detection_categories" in content
        or any("detections" in image for _, image in objects_in(content, "images"))
    )


def parse_detections(content: Object, zone: tzinfo = timezone.utc) -> DetectorResults:
    """Return what a results file says, categories by name and never by number.

    Args:
        content: Of the file.
        zone: Of its times.
    """
    parser = _Parser(content, zone)
    info = content.get("info")
    version = text_of(info, "format_version") if isinstance(info, dict) else ""
    images = tuple(parser.images())
    return DetectorResults(images, tuple(parser.problems), version)


def detectors_alone(results: DetectorResults, path: Path) -> DetectorResults:
    """Return results without the boxes that `edgeclip predict` made itself.

    Args:
        results: As parsed.
        path: Of the file, for people.

    Raises:
        DataError: There are no others.
    """
    images = tuple(
        replace(image, detections=tuple(d for d in image.detections if not d.is_own))
        for image in results.images
    )
    had = any(image.detections for image in results.images)
    if had and not any(image.detections for image in images):
        raise DataError(
            f"{path}: its boxes are edgeclip's own, by heat or whole frames, and no detector's:"
            " name the results of a detector"
        )
    return replace(results, images=images)


class _Parser:
    def __init__(self, content: Object, zone: tzinfo) -> None:
        self.problems: list[Problem] = []
        self._content, self._zone = content, zone
        self._categories = _names(content, "detection_categories") or _CATEGORIES
        self._classes = _names(content, "classification_categories")

    def images(self) -> Iterator[DetectedImage]:
        key = "images" if isinstance(self._content.get("images"), list) else "predictions"
        for number, image in objects_in(self._content, key):
            file = text_of(image, "file", "filepath")
            if not file:
                self.problems.append(Problem("row", f"{key} number {number}", "has no file"))
                continue
            failure = _failure(image)
            found = image.get("detections")
            if failure is None and not isinstance(found, list):
                failure = "neither detections nor a failure"
            yield DetectedImage(
                file=file.replace("\\", "/"),
                detections=() if failure else tuple(self._detections(image, file)),
                failure=failure,
                captured_at=parse_time(text_of(image, "datetime"), self._zone),
                label=label_name(text_of(image, "prediction")) or None,
            )

    def _detections(self, image: Object, file: str) -> Iterator[Detection]:
        for number, found in objects_in(image, "detections"):
            key = text_of(found, "category")
            category = normal(text_of(found, "label") or self._categories.get(key, ""))
            confidence, values = number_of(found, "conf"), numbers_of(found.get("bbox"))
            box = relative_box(values) if values else None
            if not category or confidence is None or box is None:
                if category not in NOTHING:
                    what = "lacks a known category, a conf or a bbox in 0..1: left out"
                    self.problems.append(Problem("box", file, f"detection {number} {what}"))
                continue
            name, is_own = _PLAIN.get(category, category), OWN_BOX in found
            yield Detection(name, confidence, box, self._label(found), is_own)

    def _label(self, found: Object) -> str | None:
        pairs = found.get("classifications")
        best: tuple[float, str] | None = None
        for pair in pairs if isinstance(pairs, list) else ():
            if not isinstance(pair, list) or len(pair) < 2:
                continue
            named = {"id": pair[0], "probability": pair[1]}
            probability = number_of(named, "probability")
            name = self._classes.get(text_of(named, "id"))
            if name and probability is not None and (best is None or probability > best[0]):
                best = probability, name
        return best[1] if best else None


def _names(content: Object, key: str) -> Mapping[str, str]:
    found = content.get(key)
    if not isinstance(found, dict):
        return {}
    return {str(number): label_name(name) for number, name in found.items() if _is_name(name)}


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(label_name(name))


def _failure(image: Object) -> str | None:
    """Return a failure's reason; SpeciesNet lists the stages that failed."""
    stages = image.get("failures")
    if isinstance(stages, list) and stages:
        return ", ".join(str(stage) for stage in stages)[:80]
    return text_of(image, "failure")[:80] or None
