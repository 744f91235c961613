"""Text of a CSV -> its records, where a stray double quote swallows no rows in silence.

A cell in quotes may hold line breaks, as comments of a spreadsheet do. A quote that somebody
typed at the beginning of a cell looks the same, and takes all rows up to the next quote into that
cell. So a cell of several lines is refused where it is never closed, where text follows its end,
or where a line inside it is a row of this very table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgeclip.errors import DataError
from edgeclip.labels.paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES

_FILE_SUFFIXES = tuple(IMAGE_SUFFIXES | VIDEO_SUFFIXES)
_SURELY_A_ROW = 8  # a line of a comment does not have as many cells as the table by chance


@dataclass(frozen=True)
class QuotedCell:
    """A cell in quotes.

    Attributes:
        first: Number of the line in which it opens.
        last: Of the line in which it closes, or None.
        is_clean: Whether a separator or the end of the line follows.
        column: Its place in the record, from 0.
    """

    first: int
    last: int | None
    is_clean: bool
    column: int


class Records:
    """The records of a table, in order; once only."""

    def __init__(self, text: str, separator: str, name: str) -> None:
        """Begin before the header.

        Args:
            text: Of the whole table.
            separator: One character.
            name: Of the file, for messages.
        """
        self._lines = list(io.StringIO(text, newline=""))
        self._reader = csv.reader(self._lines, delimiter=separator)
        self._separator, self._name = separator, name
        self._columns = 0
        self._broken: list[int] = []

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the cells of each record; empty lines are passed over.

        Raises:
            DataError: A record is broken, or a stray quote swallows others.
        """
        while True:
            before = self._reader.line_num
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                raise DataError(self._broken_record(before, str(error))) from error
            if cells is None:
                return
            if cells:
                self._check(before, cells)
                yield cells

    def notes(self) -> list[str]:
        """Return what a reader should know of the records read so far."""
        if not self._broken:
            return []
        count, first = len(self._broken), self._broken[0]
        return [f"{count} rows have line breaks inside quotes, the first in line {first}"]

    def _broken_record(self, before: int, error: str) -> str:
        row = f"row {before + 1}" if self._columns else "the header"
        if self._reader.line_num <= before + 1:
            return f"{self._name}: {row} is broken ({error}): mend it"
        return (
            f"{self._name}: {row} is broken ({error}): it goes on to line"
            f" {self._reader.line_num}, so look for a stray double quote in line {before + 1}"
        )

    def _check(self, before: int, cells: Sequence[str]) -> None:
        """Refuse a record into which a stray quote took others."""
        after, columns = self._reader.line_num, self._columns or len(cells)
        self._columns = columns
        if after == before + 1 and after < len(self._lines):
            return  # of one line, and not the last, where a quote may be left open
        own = self._lines[before:after]
        for cell in quoted_cells(own, self._separator):
            if cell.last == cell.first:
                continue
            opens = f"{self._name}: a double quote opens a cell in line {before + cell.first}"
            ends = "and closes it nowhere" if cell.last is None else (
                f"and closes it in line {before + cell.last}"
            )  # fmt: skip
            row = self._row_inside(own, cell, cells)
            if cell.last is None or not cell.is_clean:
                raise DataError(
                    f"{opens} {ends}, so that the rows between are lost: remove the quote, or"
                    " close the cell by a second one"
                )
            if row:
                raise DataError(
                    f"{opens} {ends}, but line {before + row} looks like a row of its own: remove"
                    " the quotes in these lines, or the line breaks where this is one cell"
                )
        if after > before + 1:
            self._broken.append(before + 1)

    def _row_inside(
        self, lines: Sequence[str], cell: QuotedCell, cells: Sequence[str]
    ) -> int | None:
        """Return the number of the first line of a cell that is a row of the table, or None.

        The line that ends a cell of the first column has as many cells as a row in any case.
        """
        files = [place for place, text in enumerate(cells) if _is_file(text)]
        last = (cell.last or len(lines)) - (cell.column == 0)
        for number in range(cell.first + 1, last + 1):
            found = lines[number - 1].replace('"', "").rstrip("\r\n").split(self._separator)
            named = any(_is_file(found[place]) for place in files if place < len(found))
            if len(found) == self._columns and (named or self._columns >= _SURELY_A_ROW):
                return number
        return None


def quoted_cells(lines: Sequence[str], separator: str) -> list[QuotedCell]:
    """Return the cells in quotes of one record, by the rules of Python's csv reader.

    Args:
        lines: Of the record, with their ends; numbered from 1.
        separator: Of cells.
    """
    cells: list[QuotedCell] = []
    opened: int | None = None
    is_start, column = True, 0
    for number, line in enumerate(lines, start=1):
        place = 0
        while place < len(line):
            character, following = line[place], line[place + 1 : place + 2]
            if opened is not None and character == '"':
                if following == '"':
                    place += 1  # a doubled quote belongs to the text
                else:
                    is_clean = following in ("", separator, "\r", "\n")
                    cells.append(QuotedCell(opened, number, is_clean, column))
                    opened = None
            elif opened is None and is_start and character == '"':
                opened = number
            is_start = character == separator and opened is None
            column += is_start
            place += 1
    if opened is not None:
        cells.append(QuotedCell(opened, None, is_clean=False, column=column))
    return cells


def _is_file(cell: str) -> bool:
    return PurePosixPath(cell.strip()).suffix.lower() in _FILE_SUFFIXES
