"""Which column of a table means what: the names that camera-trap tools write."""

from __future__ import annotations

import difflib
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
    "split": ("split",),
    "camera": ("camera", "cameraID", "camera_id"),
    "confidence": ("conf",),
}  # fmt: skip
"""Per meaning the names, matched without case; where a table has several, the first here wins."""

_QUIET = {"split", "camera", "confidence"}  # not worth a note where they are absent

BOXES = (
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
    ("bboxX", "bboxY", "bboxWidth", "bboxHeight"),
    ("bbox1", "bbox2", "bbox3", "bbox4"),
)
"""x, y, width, height relative to the frame, origin top left."""

CORNERS = (
    ("x_min", "y_min", "x_max", "y_max"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
)
"""Opposite corners, relative or in pixels."""

SIZE = ("width", "height")
"""The frame's, that pixels count in."""

_WILDLIFE_INSIGHTS = {"image_id", "deployment_id", "is_blank"}  # there `location` is an address

_ALIKE = 0.8  # difflib's ratio: `speceis` and `species` 0.86, `name` and `filename` 0.67

_FOLDER_OF_FILE = "relativepath"  # Timelapse splits a path in RelativePath and File


@dataclass(frozen=True)
class Columns:
    """The columns found, by their names in the table.

    Attributes:
        folder: Timelapse's RelativePath, to be put before `path`.
        split: `train`, `val` or `validation`, `test` or `holdout`.
        confidence: Of the row's box, 0..1.
        box: Four names, or None.
        corners: Whether these are opposite corners, not a corner with width and height.
        size: The frame's width and height, or None.
        notes: What was chosen, for the person who checks it.
        doubts: Columns that look like misspelt ones, for meanings that no column has.
    """

    path: str | None
    label: str | None
    location: str | None
    time: str | None
    sequence: str | None
    split: str | None
    camera: str | None
    confidence: str | None
    folder: str | None
    box: tuple[str, ...] | None
    corners: bool
    size: tuple[str, ...] | None
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


def find_columns(header: Sequence[str]) -> Columns:
    """Return which column of a header has which meaning."""
    by_name: dict[str, str] = {}
    for name in header:
        by_name.setdefault(name.strip().casefold(), name)
    found = {meaning: _matches(names, by_name) for meaning, names in ALIASES.items()}
    if by_name.keys() >= _WILDLIFE_INSIGHTS:
        address = by_name.get("location")
        found["location"] = [name for name in found["location"] if name != address]
    folder = by_name.get(_FOLDER_OF_FILE)
    if folder and "file" in by_name:  # Timelapse: there `File` is the name alone
        found["path"] = [by_name["file"], *(n for n in found["path"] if n != by_name["file"])]
    chosen = {meaning: names[0] if names else None for meaning, names in found.items()}
    own = _first(BOXES, by_name)
    box = own or _first(CORNERS, by_name)
    meant = {m: misspelt(header, m) for m, names in found.items() if not names}
    doubts = [f"{like[0][:40]!r} looks like {like[1]}" for like in meant.values() if like]
    notes = [_note(meaning, names) for meaning, names in found.items() if not meant.get(meaning)]
    if box:
        notes.append(f"box = columns {', '.join(box)}")
    return Columns(
        **chosen,
        folder=folder if chosen["path"] else None,
        box=box,
        corners=box is not None and own is None,
        size=_group(SIZE, by_name),
        notes=tuple(note for note in notes if note),
        doubts=tuple(doubts),
    )


def misspelt(header: Sequence[str], meaning: str) -> tuple[str, str] | None:
    """Return the column most like a name of a meaning, and that name; None where none is.

    A column that has a meaning of its own is never taken for a misspelt one.
    """
    names = {name.casefold(): name for name in reversed(ALIASES[meaning])}
    known = {name.casefold() for own in ALIASES.values() for name in own}
    known |= {name.casefold() for group in (*BOXES, *CORNERS, SIZE) for name in group}
    best: tuple[float, str, str] | None = None
    for column in header:
        written = column.strip().casefold()
        for near in difflib.get_close_matches(written, names, n=1, cutoff=_ALIKE):
            ratio = difflib.SequenceMatcher(None, near, written).ratio()
            if written not in known and (best is None or ratio > best[0]):
                best = ratio, column.strip(), names[near]
    return best and (best[1], best[2])


def _matches(names: Sequence[str], by_name: dict[str, str]) -> list[str]:
    found = (by_name[name.casefold()] for name in names if name.casefold() in by_name)
    return list(dict.fromkeys(found))  # datetime and DateTime are one column


def _first(groups: Sequence[Sequence[str]], by_name: dict[str, str]) -> tuple[str, ...] | None:
    return next((names for names in (_group(group, by_name) for group in groups) if names), None)


def _group(group: Sequence[str], by_name: dict[str, str]) -> tuple[str, ...] | None:
    names = tuple(by_name.get(name.casefold(), "") for name in group)
    return names if all(names) else None


def _note(meaning: str, names: Sequence[str]) -> str:
    if not names:
        return "" if meaning in _QUIET else f"no column for {meaning}"
    others = f" (not {', '.join(names[1:])})" if len(names) > 1 else ""
    return f"{meaning} = column {names[0]}{others}"
