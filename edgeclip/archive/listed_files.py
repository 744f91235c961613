"""A table of paths as an archive: which files to look at, with place, time and burst where told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeclip.archive.stores import Listed
from edgeclip.errors import DataError
from edgeclip.labels.columns import find_columns
from edgeclip.labels.scan import read_image_file
from edgeclip.labels.text_tables import cell, parse_table, read_source_bytes


class ListedFiles:
    """The files that a CSV or TSV names; a file that stands twice is looked at once.

    Args:
        table: The file.
        folder: Where its paths start.
    """

    def __init__(self, table: Path, folder: Path) -> None:
        self._table, self._folder = table, folder

    @property
    def root(self) -> str:
        """Where the paths start."""
        return str(self._folder)

    def images(self) -> Iterator[Listed]:
        """Yield each file that is named, in the order of the table."""
        table = parse_table(read_source_bytes(self._table, "table"), str(self._table))
        columns = find_columns(table.header)
        if columns.path is None:
            raise DataError(
                f"{self._table}: no column of file names ({', '.join(table.header[:8])}): call it"
                " file"
            )
        seen: set[str] = set()
        for _, row in table.rows():
            folder = cell(row, columns.folder)
            written = cell(row, columns.path).replace("\\", "/")
            name = f"{folder.rstrip('/')}/{written}" if folder else written
            if not written or name in seen:
                continue
            seen.add(name)
            yield Listed(
                name,
                cell(row, columns.location) or None,
                cell(row, columns.time) or None,
                cell(row, columns.sequence) or None,
            )
        if not seen:
            raise DataError(f"{self._table}: no row names a file")

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; a whole path is taken as it is."""
        path = Path(name)
        return read_image_file(path if path.is_absolute() else self._folder / path)
