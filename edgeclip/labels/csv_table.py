"""Read a CSV or TSV, a row an image or a row a box, into samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.boxes import from_corners, numbers_of, relative_box
from edgeclip.labels.columns import ALIASES, Columns, find_columns
from edgeclip.labels.paths import PathFinder
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import GivenPart, LabelTable, Problem, ProblemKind, Sample
from edgeclip.labels.taxa import label_name
from edgeclip.labels.text_tables import Row, cell, parse_table, read_source_bytes
from edgeclip.labels.times import parse_time

PARTS_NAMED: Final[dict[str, GivenPart]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "holdout": "test",
}


def read_csv(options: ReadingOptions) -> LabelTable:
    """Return the samples of a table.

    Args:
        options: `data` is the table; paths start at `data_dir`, by default at its own folder.

    Raises:
        DataError: Unreadable, empty, without a column for path or label, or with boxes in pixels
            that no option says are such.
    """
    path = options.data
    table = parse_table(read_source_bytes(path, "a table of labels"), str(path))
    columns = find_columns(table.header)
    if columns.path is None or columns.label is None:
        raise DataError(_no_column(options, table.header, columns))
    own = {name.strip().casefold(): name for name in reversed(table.header)}
    asked = {name: own[name.casefold()] for name in options.columns if name.casefold() in own}
    reader = _RowReader(columns, options, asked)
    for number, row in table.rows():
        reader.take(number, row)
    reader.refuse_pixels()
    notes = [*table.notes(), *columns.notes, *reader.notes()]
    return LabelTable(
        path,
        tuple(reader.samples),
        tuple(reader.problems),
        tuple(notes),
        tuple(f"{path.name}: {doubt}: rename that column" for doubt in columns.doubts),
    )


def _no_column(options: ReadingOptions, header: Sequence[str], columns: Columns) -> str:
    own = {"path": columns.path, "label": columns.label}
    missing = [meaning for meaning, column in own.items() if column is None]
    rename = "rename them" if len(columns.doubts) > 1 else "rename it"
    hint = f"{', '.join(columns.doubts)}: {rename}, or " if columns.doubts else ""
    found = " ".join(", ".join(header).split())[:200]
    names = ", and one ".join(", ".join(ALIASES[meaning]) for meaning in missing)
    return (
        f"{options.data}: no column for {' and '.join(missing)}; columns are {found}:"
        f" {hint}call one {names}"
    )


class _RowReader:
    """Turns rows into samples and problems, one at a time."""

    def __init__(self, columns: Columns, options: ReadingOptions, asked: Mapping[str, str]) -> None:
        self._asked = asked
        self.samples: list[Sample] = []
        self.problems: list[Problem] = []
        self._columns, self._options = columns, options
        self._finder = PathFinder(options.data_dir or options.data.parent)
        self._counts: Counter[str] = Counter()
        self._missing: set[str] = set()
        self._boxes = self._beyond_one = 0

    def take(self, number: int, row: Row) -> None:
        """Add the sample of a row, or the problem that keeps it out."""
        where = f"{self._options.data.name} row {number}"
        parts = (cell(row, self._columns.folder), cell(row, self._columns.path))
        written = "/".join(part for part in parts if part)
        label = label_name(cell(row, self._columns.label))
        path, why = self._finder.find(written)
        if path is None:
            if written not in self._missing:  # a row a box names its file several times
                self._note("path", where, why)
            self._missing.add(written)
        elif not label:
            self._note("label", where, f"{written} has no label")
        else:
            box = self._box(row, where)
            pixels = self._options.box_unit == "pixels"
            self.samples.append(
                Sample(
                    path=path,
                    label=label,
                    location=cell(row, self._columns.location) or None,
                    captured_at=self._time(row, where),
                    seq_id=cell(row, self._columns.sequence) or None,
                    box=None if pixels else box,
                    where=where,
                    camera=cell(row, self._columns.camera) or None,
                    pixel_box=box if pixels else None,
                    frame_size=self._size(row) if pixels else None,
                    part=self._part(row, where),
                    said=tuple((n, text) for n, c in self._asked.items() if (text := cell(row, c))),
                )
            )

    def refuse_pixels(self) -> None:
        """Refuse a table most of whose boxes exceed 1: they are in pixels, and nobody said so.

        Raises:
            DataError: Of two boxes, one or more exceeds 1.
        """
        if self._options.box_unit is None and self._beyond_one * 2 > self._boxes:
            raise DataError(
                f"{self._options.data}: {self._beyond_one} of {self._boxes} boxes have values above"
                " 1: say --box-unit pixels, or --box-unit relative to leave these out"
            )

    def notes(self) -> list[str]:
        """Return what was left unsaid by the problems."""
        low = self._counts["low"]
        least = self._options.box_threshold
        return [f"{low} boxes below --box-threshold {least:g}: left out"] if low else []

    def _time(self, row: Row, where: str) -> datetime | None:
        text = cell(row, self._columns.time)
        found = parse_time(text, self._options.zone) if text else None
        if text and found is None:
            self._note("date", where, f"{text[:40]!r} is not a time: use YYYY-MM-DD HH:MM:SS")
        return found

    def _part(self, row: Row, where: str) -> GivenPart | None:
        text = cell(row, self._columns.split)
        found = PARTS_NAMED.get(text.casefold())
        if text and found is None:
            self._note("row", where, f"split {text[:40]!r} is none of train, val, test, holdout")
        return found

    def _size(self, row: Row) -> tuple[int, int] | None:
        texts = [cell(row, name) for name in self._columns.size or ()]
        found = numbers_of([*texts, 1, 1])
        return (round(found[0]), round(found[1])) if found and min(found) >= 1 else None

    def _box(self, row: Row, where: str) -> Box | None:
        """Return the row's box: relative, or in pixels where the options say so."""
        texts = [cell(row, name) for name in self._columns.box or ()]
        if not any(texts) or self._is_unsure(row):
            return None
        self._boxes += 1
        values = numbers_of(texts)
        if values and self._columns.corners:
            values = from_corners(values)
        if values and self._options.box_unit == "pixels":
            return values
        self._beyond_one += values is not None and max(values) > 1.5
        box = relative_box(values) if values else None
        if box is None:
            shown = ", ".join(texts)[:60]
            self._note("box", where, f"{shown} is no box relative to the frame: left out")
        return box

    def _is_unsure(self, row: Row) -> bool:
        text = cell(row, self._columns.confidence)
        try:
            low = bool(text) and float(text) < self._options.box_threshold
        except ValueError:
            return False
        self._counts["low"] += low
        return low

    def _note(self, kind: ProblemKind, where: str, what: str) -> None:
        self.problems.append(Problem(kind, where, what))
