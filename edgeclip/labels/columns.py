"""Which column of a table means what: the names that camera-trap tools write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIASES: dict[str, tuple[str, ...]] = {
    "path": ("filepath", "path", "file", "filename", "file_name", "image", "image_path"),
    "label": (
        "label", "species", "class", "prediction", "common_name", "scientificName",
        "classification",
    ),
    "location": (
        "site", "location", "station", "locationID", "placename", "deployment_id", "deploymentID",
    ),
    "time": (
        "Photo_time", "datetime", "timestamp", "DateTimeOriginal", "DateTime", "date_captured",
        "createdate",
    ),
    "sequence": ("seq_id", "sequence_id", "eventID", "event"),
}  # fmt: skip
"""Per meaning the names, matched without case; where a table has several, the first here wins."""

BOXES = (
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
    ("bboxX", "bboxY", "bboxWidth", "bboxHeight"),
    ("bbox1", "bbox2", "bbox3", "bbox4"),
)
"""x, y, width, height relative to the frame, origin top left."""

_FOLDER_OF_FILE = "relativepath"  # Timelapse splits a path in RelativePath and File


@dataclass(frozen=True)
class Columns:
    """The columns found, by their names in the table.

    Attributes:
        folder: Timelapse's RelativePath, to be put before `path`.
        box: Four names, or None.
        notes: What was chosen, for the person who checks it.
    """

    path: str | None
    label: str | None
    location: str | None
    time: str | None
    sequence: str | None
    folder: str | None
    box: tuple[str, ...] | None
    notes: tuple[str, ...]


def find_columns(header: Sequence[str]) -> Columns:
    """Return which column of a header has which meaning."""
    by_name: dict[str, str] = {}
    for name in header:
        by_name.setdefault(name.strip().casefold(), name)
    found = {meaning: _matches(names, by_name) for meaning, names in ALIASES.items()}
    chosen = {meaning: names[0] if names else None for meaning, names in found.items()}
    folder = by_name.get(_FOLDER_OF_FILE) if chosen["path"] else None
    box = next((names for names in (_box(group, by_name) for group in BOXES) if names), None)
    notes = tuple(_note(meaning, names) for meaning, names in found.items())
    return Columns(**chosen, folder=folder, box=box, notes=notes)


def _matches(names: Sequence[str], by_name: dict[str, str]) -> list[str]:
    found = (by_name[name.casefold()] for name in names if name.casefold() in by_name)
    return list(dict.fromkeys(found))  # datetime and DateTime are one column


def _box(group: Sequence[str], by_name: dict[str, str]) -> tuple[str, ...] | None:
    names = tuple(by_name.get(name.casefold(), "") for name in group)
    return names if all(names) else None


def _note(meaning: str, names: Sequence[str]) -> str:
    if not names:
        return f"no column for {meaning}"
    others = f" (not {', '.join(names[1:])})" if len(names) > 1 else ""
    return f"{meaning} = column {names[0]}{others}"
