"""Where an export goes: a file, a folder or a ZIP, whole or not at all."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TextIO

from edgeclip.contract.files import new_file, new_folder, reason_of, remedy_for
from edgeclip.errors import ConfigError, DashboardError

ZIP_SUFFIX: Final = ".zip"


class Sink(Protocol):
    """Takes tables, which may be open side by side, and pictures."""

    @contextmanager
    def open(self, name: str) -> Iterator[TextIO]:
        """Yield a new text file; it is part of the export when the block ends."""

    def copy(self, source: Path, name: str) -> None:
        """Take a picture in under a relative name."""


class FolderSink:
    """Writes into a folder that is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, name: str) -> Iterator[TextIO]:
        """Yield a new text file of the folder."""
        with (self._folder / name).open("w", encoding="utf-8", newline="") as file:
            yield file

    def copy(self, source: Path, name: str) -> None:
        """Copy a picture to a path below the folder."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


class ZipSink:
    """Writes into an archive; tables wait beside it until they are whole."""

    def __init__(self, archive: zipfile.ZipFile, scratch: Path) -> None:
        self._archive, self._scratch = archive, scratch

    @contextmanager
    def open(self, name: str) -> Iterator[TextIO]:
        """Yield a new text file, and pack it when it is whole."""
        path = self._scratch / name
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
        self._archive.write(path, name, zipfile.ZIP_DEFLATED)
        path.unlink()

    def copy(self, source: Path, name: str) -> None:
        """Store a picture as it is: a JPEG does not become smaller."""
        self._archive.write(source, name, zipfile.ZIP_STORED)


@contextmanager
def open_sink(out: Path, *, overwrite: bool) -> Iterator[Sink]:
    """Yield a sink for a folder, or for an archive where the name ends in `.zip`.

    Args:
        out: The folder or the archive to be.
        overwrite: Whether it may replace what is there.

    Raises:
        ConfigError: Something is there.
        DashboardError: It cannot be written.
    """
    with _told(out):
        if out.suffix != ZIP_SUFFIX:
            with new_folder(out, overwrite=overwrite) as folder:
                yield FolderSink(folder)
            return
        _refuse_existing(out, overwrite=overwrite)
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch,
            new_file(out) as file,
            zipfile.ZipFile(file, "w") as archive,
        ):
            yield ZipSink(archive, Path(scratch))


@contextmanager
def open_single(out: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """Yield the text of one file.

    Raises:
        ConfigError: Something is there.
        DashboardError: It cannot be written.
    """
    _refuse_existing(out, overwrite=overwrite)
    with _told(out), new_file(out) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
        yield text
        text.flush()
        text.detach()


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DashboardError(
            f"{out}: cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error


def _refuse_existing(out: Path, *, overwrite: bool) -> None:
    if out.is_dir():
        raise ConfigError(f"{out} is a folder: name a file")
    if out.exists() and not overwrite:
        raise ConfigError(f"{out} is there: choose another name, or add --overwrite")
