"""Which files of a watched folder were read already, also by earlier processes."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from edgeclip.errors import OutboxError

log = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""Size in bytes, and time of change in ns: a file that is written anew is another one."""

_DONE = (
    "CREATE TABLE IF NOT EXISTS done (folder BLOB, name BLOB, size INTEGER, changed_ns INTEGER,"
    " verdict TEXT, PRIMARY KEY (folder, name)) WITHOUT ROWID"
)
_TRIES = (
    "CREATE TABLE IF NOT EXISTS tries (folder BLOB, name BLOB, size INTEGER, changed_ns INTEGER,"
    " count INTEGER, PRIMARY KEY (folder, name)) WITHOUT ROWID"
)


class DoneFiles:
    """Remembers files by folder and name, in a database of its own in the state folder.

    Args:
        path: The database's file; a damaged one is set aside, and everything is read again.

    Raises:
        OutboxError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = path.with_name(f"{path.name}.damaged")
                path.replace(aside)
                log.error(
                    "%s was damaged (%s): it is now %s, and all is read again", path, error, aside
                )
                self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(f"{path} cannot be opened ({error}): check the folder") from error

    def of_folder(self, folder: Path) -> dict[str, Stamp]:
        """Return the files of a folder that were read, with what they were then.

        Args:
            folder: Relative to the watched one.

        Raises:
            OutboxError: The database cannot be read.
        """
        query = "SELECT name, size, changed_ns FROM done WHERE folder = ?"
        try:
            rows = self._connection.execute(query, (os.fsencode(folder),)).fetchall()
        except sqlite3.Error as error:
            raise OutboxError(f"the files that were read are not known ({error})") from error
        return {os.fsdecode(name): (size, changed_ns) for name, size, changed_ns in rows}

    def add(self, file: Path, stamp: Stamp, verdict: str) -> None:
        """Remember a file.

        Args:
            file: Relative to the watched folder.
            stamp: What it was when it was read.
            verdict: What came of it, for whoever looks into the database.

        Raises:
            OutboxError: The database cannot be written: without it all would be read twice.
        """
        self._write(file, "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?, ?)", *stamp, verdict)
        self.forget_tries(file)

    def count_try(self, file: Path, stamp: Stamp) -> int:
        """Count that a file is begun with, before anything is done with it; return how often.

        Args:
            file: Relative to the watched folder.
            stamp: What it is: a file that was written anew begins anew.

        Raises:
            OutboxError: The database cannot be written.
        """
        self._write(
            file,
            "INSERT INTO tries VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT (folder, name) DO UPDATE SET"
            " count = CASE WHEN (size, changed_ns) = (?3, ?4) THEN count + 1 ELSE 1 END,"
            " size = ?3, changed_ns = ?4",
            *stamp,
        )
        query = "SELECT count FROM tries WHERE folder = ? AND name = ?"
        names = (os.fsencode(file.parent), os.fsencode(file.name))
        return int(self._connection.execute(query, names).fetchone()[0])

    def forget_tries(self, file: Path) -> None:
        """Forget how often a file was begun with: nothing has crashed.

        Raises:
            OutboxError: The database cannot be written.
        """
        self._write(file, "DELETE FROM tries WHERE folder = ? AND name = ?")

    def _write(self, file: Path, statement: str, *values: int | str) -> None:
        row = (os.fsencode(file.parent), os.fsencode(file.name), *values)
        try:
            self._connection.execute(statement, row)
        except sqlite3.Error as error:
            raise OutboxError(
                f"{file} cannot be remembered ({error}): check the disk's space and rights"
            ) from error

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # at a power cut one file is read twice
        for table in (_DONE, _TRIES):
            connection.execute(table)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
