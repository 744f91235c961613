"""Read a CSV or TSV with a row an image into samples."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from edgeclip.contract.preprocess_spec import Box
from edgeclip.errors import DataError
from edgeclip.labels.columns import ALIASES, Columns, find_columns
from edgeclip.labels.paths import PathFinder
from edgeclip.labels.sample import LabelTable, Problem, ProblemKind, Sample
from edgeclip.labels.times import parse_time

_MOST_BYTES = 200_000_000  # about two million rows: a larger file is not a label table
_MISSING = {"na", "nan", "null"}
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

Row = Mapping[str, "str | None"]


def read_csv(path: Path, *, data_dir: Path | None = None) -> LabelTable:
    """Return the samples of a table.

    Args:
        path: Comma, semicolon or tab separated; UTF-8, UTF-16 with a mark, or Windows-1252.
        data_dir: Where relative paths start; by default the table's own folder.

    Raises:
        DataError: Unreadable, empty, or without a column for path or label.
    """
    text, encoding = _decode(path)
    rows, separator = _rows(text, path)
    columns = find_columns(rows.fieldnames or [])
    if columns.path is None or columns.label is None:
        missing = "path" if columns.path is None else "label"
        raise DataError(
            f"{path}: no column for {missing}; columns are"
            f" {', '.join(rows.fieldnames or [])[:200]}: call one {', '.join(ALIASES[missing])}"
        )
    reader = _RowReader(path.name, columns, PathFinder(data_dir or path.parent))
    try:
        for number, row in enumerate(rows, start=2):
            reader.take(number, row)
    except csv.Error as error:
        raise DataError(f"{path}: row {rows.line_num} is broken ({error}): mend it") from error
    notes = (f"{encoding}, separated by {separator}", *columns.notes)
    return LabelTable(path, tuple(reader.samples), tuple(reader.problems), notes)


class _RowReader:
    """Turns rows into samples and problems, one at a time."""

    def __init__(self, name: str, columns: Columns, finder: PathFinder) -> None:
        self.samples: list[Sample] = []
        self.problems: list[Problem] = []
        self._name, self._columns, self._finder = name, columns, finder

    def take(self, number: int, row: Row) -> None:
        """Add the sample of a row, or the problem that keeps it out."""
        where = f"{self._name} row {number}"
        parts = (_cell(row, self._columns.folder), _cell(row, self._columns.path))
        written = "/".join(part for part in parts if part)
        label = _cell(row, self._columns.label)
        path, why = self._finder.find(written)
        if path is None:
            self._note("path", where, why)
        elif not label:
            self._note("label", where, f"{written} has no label")
        else:
            self.samples.append(
                Sample(
                    path=path,
                    label=label,
                    location=_cell(row, self._columns.location) or None,
                    captured_at=self._time(row, where),
                    seq_id=_cell(row, self._columns.sequence) or None,
                    box=self._box(row, where),
                    where=where,
                )
            )

    def _time(self, row: Row, where: str) -> datetime | None:
        text = _cell(row, self._columns.time)
        found = parse_time(text) if text else None
        if text and found is None:
            self._note("date", where, f"{text[:40]!r} is not a time: use YYYY-MM-DD HH:MM:SS")
        return found

    def _box(self, row: Row, where: str) -> Box | None:
        texts = [_cell(row, name) for name in self._columns.box or ()]
        if not any(texts):
            return None
        box = _relative_box(texts)
        if box is None:
            shown = ", ".join(texts)[:60]
            self._note("box", where, f"{shown} is no box relative to the frame: left out")
        return box

    def _note(self, kind: ProblemKind, where: str, what: str) -> None:
        self.problems.append(Problem(kind, where, what))


def _relative_box(texts: Sequence[str]) -> Box | None:
    """Return x, y, w, h in 0..1, cut to the frame, or None if the texts are no such box."""
    try:
        x, y, width, height = (float(text) for text in texts)
    except ValueError:
        return None
    values = (x, y, width, height)
    slack = 0.01  # detectors round, so that x + width may be 1.0004
    inside = all(-slack <= value <= 1 + slack for value in (*values, x + width, y + height))
    if not all(map(math.isfinite, values)) or not inside or width <= 0 or height <= 0:
        return None
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(width, 1 - left), min(height, 1 - top)


def _cell(row: Row, column: str | None) -> str:
    """Return a cell without space around it; words for nothing become the empty text."""
    if column is None:
        return ""
    value = row.get(column)
    text = value.strip() if isinstance(value, str) else ""  # a short row has None
    return "" if text.casefold() in _MISSING else text


def _decode(path: Path) -> tuple[str, str]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: larger than 200 MB: is this a table of labels?")
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise DataError(f"{path}: cannot be read ({reason}): check the path") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decoded(path, data, "utf-16"), "UTF-16"
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return _decoded(path, data, "cp1252"), "Windows-1252 (not UTF-8: check accents)"


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: neither UTF-8 nor {encoding} text: save it as UTF-8") from error


def _rows(text: str, path: Path) -> tuple[csv.DictReader[str], str]:
    if "\0" in text:
        raise DataError(f"{path}: holds NUL bytes: this is no table of text, save it as CSV")
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise DataError(f"{path}: empty: a header and a row an image are needed")
    separator = max(_SEPARATORS, key=lines[0].count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    return rows, _SEPARATORS[separator]
