"""The rules of MegaDetector's results format 1.6, as its description states them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any


def broken_rules(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a results file; nothing where it keeps the format."""
    problems = [
        f"lacks {key}" for key in ("info", "detection_categories", "images") if key not in document
    ]
    if problems:
        return problems
    if document["info"].get("format_version") != "1.6":
        problems.append("format_version is not 1.6")
    classes = document.get("classification_categories", {})
    problems += _of_names("detection_categories", document["detection_categories"])
    problems += _of_names("classification_categories", classes)
    described = document.get("classification_category_descriptions")
    if described is not None and described.keys() != classes.keys():
        problems.append("descriptions are of other classes")
    for image in document["images"]:
        problems += _of_image(image, document["detection_categories"], classes)
    return problems


def _of_names(key: str, names: dict[str, str]) -> list[str]:
    wrong = [number for number, name in names.items() if not (number.isdecimal() and name.strip())]
    return [f"{key} has {number!r}" for number in wrong]


def _of_image(
    image: dict[str, Any], categories: dict[str, str], classes: dict[str, str]
) -> list[str]:
    file = image["file"]
    problems = []
    if PurePosixPath(file).is_absolute() or "\\" in file or ".." in file:
        problems.append(f"{file} is not relative with forward slashes")
    if image.get("failure") is not None:
        is_told = isinstance(image["failure"], str) and image.get("detections") is None
        return problems if is_told else [*problems, f"{file}: a failure has no detections"]
    if not isinstance(image.get("detections"), list):
        return [*problems, f"{file}: detections are no list"]
    for found in image["detections"]:
        problems += [f"{file}: {what}" for what in _of_detection(found, categories, classes)]
    return problems


def _of_detection(
    found: dict[str, Any], categories: dict[str, str], classes: dict[str, str]
) -> list[str]:
    problems = []
    if found["category"] not in categories:
        problems.append(f"unknown category {found['category']}")
    if not isinstance(found["conf"], float) or not 0 <= found["conf"] <= 1:
        problems.append(f"conf {found['conf']!r}")
    x, y, width, height = found["bbox"]
    inside = min(found["bbox"]) >= 0 and x + width <= 1.0001 and y + height <= 1.0001
    if not inside or not all(isinstance(part, float) for part in found["bbox"]):
        problems.append(f"bbox {found['bbox']}")
    said = found.get("classifications", [])
    if [pair[1] for pair in said] != sorted((pair[1] for pair in said), reverse=True):
        problems.append("classifications do not descend")
    return problems + [f"unknown class {pair[0]}" for pair in said if pair[0] not in classes]
