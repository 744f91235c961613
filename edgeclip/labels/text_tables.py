"""Bytes of a CSV or TSV -> rows by column name, whatever encoding and separator it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.csv_records import Records

MOST_BYTES = 200_000_000  # about two million rows: a larger file is not a label table
_MISSING = {"na", "nan", "null"}
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

Row = Mapping[str, "str | None"]


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        name: Of the file, for messages.
        header: Column names.
        encoding: As found, with what to check.
        separator: By its name.
    """

    name: str
    header: tuple[str, ...]
    encoding: str
    separator: str
    _records: Iterator[list[str]]
    _text: Records

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield each row with its number; the header is row 1. Once only.

        Raises:
            DataError: A row is broken, or a stray quote swallows others.
        """
        for number, cells in enumerate(self._records, start=2):
            lacking = [None] * (len(self.header) - len(cells))
            yield number, dict(zip(self.header, [*cells, *lacking], strict=False))

    def notes(self) -> list[str]:
        """Return how the rows that were read are written."""
        said = f"{self.encoding}, separated by {self.separator}"
        return [said, *self._text.notes()]


def read_source_bytes(path: Path, what: str) -> bytes:
    """Return the bytes of a label file.

    Args:
        path: The file.
        what: It should be, for the message, for example `a table of labels`.

    Raises:
        DataError: Unreadable, or larger than 200 MB.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: larger than 200 MB: is this {what}?")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise DataError(f"{path}: cannot be read ({reason}): check the path") from error


def read_start(path: Path, count: int) -> bytes:
    """Return the first bytes of a file.

    Raises:
        DataError: Unreadable.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise DataError(f"{path}: cannot be read ({reason}): check the path") from error


def parse_table(data: bytes, name: str) -> TextTable:
    """Return the table in some bytes.

    Args:
        data: Comma, semicolon or tab separated; UTF-8, UTF-16 with a mark, or Windows-1252.
        name: Of the file, for messages.

    Raises:
        DataError: No text, or no header.
    """
    text, encoding = _decode(data, name)
    if "\0" in text:
        raise DataError(f"{name}: holds NUL bytes: this is no table of text, save it as CSV")
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise DataError(f"{name}: empty: a header and a row an image are needed")
    separator = max(_SEPARATORS, key=lines[0].count)
    text_records = Records(text, separator, name)
    records = iter(text_records)
    header = tuple(next(records, ()))
    return TextTable(name, header, encoding, _SEPARATORS[separator], records, text_records)


def cell(row: Row, column: str | None) -> str:
    """Return a cell without space around it; words for nothing become the empty text."""
    if column is None:
        return ""
    value = row.get(column)
    text = value.strip() if isinstance(value, str) else ""  # a short row has None
    return "" if text.casefold() in _MISSING else text


def _decode(data: bytes, name: str) -> tuple[str, str]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decoded(data, "utf-16", name), "UTF-16"
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return _decoded(data, "cp1252", name), "Windows-1252 (not UTF-8: check accents)"


def _decoded(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: neither UTF-8 nor {encoding} text: save it as UTF-8") from error
