"""A split read back from its table, so that another run or baseline uses the same one."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.split_checks import RANDOM_SPLIT, check_parts, places_are_apart
from edgeclip.split_groups import Images
from edgeclip.split_rows import PARTS, Part, SplitRow
from edgeclip.splits import Split

_MOST_BYTES = 500_000_000


_PARTS: dict[str, Part] = {part: part for part in PARTS}


def read_split(path: Path, images: Images, *, allow_shared_places: bool = False) -> Split:
    """Return the split of a table such as `report/split.csv`, after the checks for leaks.

    Args:
        path: A CSV with the columns sha256 and part.
        images: All of them must stand in the table.
        allow_shared_places: Take a split in which a place both teaches and tests, with a warning.

    Raises:
        DataError: The table cannot be read, is of other images, or leaks.
    """
    known = read_split_rows(path)
    missing = [image for image in images if image.facts.sha256 not in known]
    if missing:
        raise DataError(
            f"{path} says nothing of {len(missing)} of {len(images)} images, e.g."
            f" {missing[0].path.name}: it is of other images, or they were altered"
        )
    parts = tuple(known[image.facts.sha256].part for image in images)
    check_parts(images, parts, places_apart=not allow_shared_places)
    warnings = []
    if not places_are_apart(images, parts):
        warnings.append(RANDOM_SPLIT)
    if absent := len(known) - len({image.facts.sha256 for image in images}):
        warnings.append(f"{absent} images of the split are not among these")
    return Split(parts, "as given", tuple(warnings))


def read_split_rows(path: Path) -> Mapping[str, SplitRow]:
    """Return the part and location of each image by its SHA-256.

    Raises:
        DataError: The table cannot be read, lacks a column, or names an unknown part.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is larger than 500 MB: this is no split")
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _rows(path, csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a split ({error}): name a split.csv") from error


def _rows(path: Path, rows: csv.DictReader[str]) -> dict[str, SplitRow]:
    if lacking := [name for name in ("sha256", "part") if name not in (rows.fieldnames or ())]:
        raise DataError(f"{path} lacks the column {lacking[0]}: name a split.csv of a report")
    known: dict[str, SplitRow] = {}
    for row in rows:
        part = _PARTS.get(row["part"] or "")
        if part is None:
            raise DataError(
                f"{path}, line {rows.line_num}: part {row['part']!r} is none of {', '.join(_PARTS)}"
            )
        text = {name: row.get(name) or "" for name in ("location", "class", "sequence", "file")}
        place = text["location"] or None
        found = SplitRow(part, place, text["class"], text["sequence"], text["file"])
        if known.setdefault(row["sha256"], found).part != part:
            raise DataError(
                f"{path}, line {rows.line_num}: the same file is in {known[row['sha256']].part} and"
                f" {part}"
            )
    return known
