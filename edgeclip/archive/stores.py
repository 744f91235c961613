"""Where an archive's images lie: a folder, a table of paths, a zip, or a bucket (fsspec)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from edgeclip.errors import ConfigError, DataError, SetupError
from edgeclip.labels.paths import IMAGE_SUFFIXES, is_litter
from edgeclip.labels.scan import MOST_BYTES, read_image_file

_RESULTS = Path("run", "plan.json")  # what `edgeclip predict` leaves in a folder of its results


@dataclass(frozen=True)
class Listed:
    """An image of an archive.

    Attributes:
        name: Its path below the archive's root, with `/`; what outputs call it.
        location: Where the camera stood, where a table says so, else None.
        time: When it was taken, as a table writes it, else None.
        sequence: Its burst, as a table writes it, else None.
    """

    name: str
    location: str | None = None
    time: str | None = None
    sequence: str | None = None


class ImageStore(Protocol):
    """An archive's images; used by several threads at once."""

    @property
    def root(self) -> str:
        """What names are below, for people and for outputs."""

    def images(self) -> Iterator[Listed]:
        """Yield every image, always in the same order.

        Raises:
            DataError: There is none, or the list cannot be read.
        """

    def read(self, name: str) -> bytes:
        """Return the bytes of an image.

        Raises:
            DataError: Missing, unreadable, empty, or larger than 200 MB.
        """


def open_store(source: str, data_dir: Path | None = None) -> ImageStore:
    """Return the store of an archive; nothing of it is listed yet.

    Args:
        source: A folder, a CSV or TSV, a zip, or a URL that fsspec knows, as `s3://bucket/2024`.
        data_dir: Where a table's paths start; None: its own folder.

    Raises:
        ConfigError: `data_dir` has no table to belong to.
        DataError: Nothing lies there, it is no archive, or the zip or table is damaged.
        SetupError: What reads such an address is not installed, or refuses us.
    """
    path = Path(source)
    if data_dir is not None and path.suffix.lower() not in (".csv", ".tsv"):
        raise ConfigError(f"--data-dir belongs to a table of paths, not to {source}")
    if "://" in source:
        return RemoteFolder(source)
    if path.is_dir():
        return LocalFolder(path)
    if not path.is_file():
        raise DataError(f"{source}: nothing lies there: name a folder, a CSV, a zip or a URL")
    if path.suffix.lower() == ".zip":
        return RemoteFolder(f"zip://::{path.resolve().as_uri()}", shown=source)
    if path.suffix.lower() in (".csv", ".tsv"):
        from edgeclip.archive.listed_files import ListedFiles

        return ListedFiles(path, data_dir or path.parent)
    raise DataError(f"{source}: an archive is a folder, a CSV, a zip or a URL")


class LocalFolder:
    """A folder of this machine, walked in the order of names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def root(self) -> str:
        """The folder."""
        return str(self._folder)

    def images(self) -> Iterator[Listed]:
        """Yield every image file below the folder; a folder that is linked is not entered."""
        found = False
        for name in _walk(self._folder, ()):
            found = True
            yield Listed(name)
        if not found:
            raise DataError(f"{self._folder}: no image found ({', '.join(sorted(IMAGE_SUFFIXES))})")

    def read(self, name: str) -> bytes:
        """Return the bytes of an image."""
        return read_image_file(self._folder / name)


def _walk(folder: Path, above: Sequence[str]) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            known = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}): check its rights") from error
    for entry in known:
        if is_litter(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if (folder / entry.name / _RESULTS).is_file():
                continue  # contact sheets are no images of the archive
            yield from _walk(folder / entry.name, (*above, entry.name))
        elif PurePosixPath(entry.name).suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
            yield "/".join((*above, entry.name))


class RemoteFolder:
    """Whatever fsspec reads: a zip, a bucket, a web server.

    Args:
        url: As fsspec writes it.
        shown: What people called it; None: the URL.
    """

    def __init__(self, url: str, shown: str | None = None) -> None:
        self._files, self._base = _opened(url, shown or url)
        self._shown = shown or url

    @property
    def root(self) -> str:
        """What people called it."""
        return self._shown

    def images(self) -> Iterator[Listed]:
        """Yield every image below the URL, in the order of names."""
        try:
            names = sorted(str(name) for name in self._files.find(self._base))
        except Exception as error:  # each kind of store fails in its own way
            raise DataError(f"{self._shown} cannot be listed ({_said(error)})") from error
        found = False
        for name in names:
            below = name.removeprefix(self._base).lstrip("/")
            parts = PurePosixPath(below).parts
            if PurePosixPath(below).suffix.lower() in IMAGE_SUFFIXES and not any(
                is_litter(part) for part in parts
            ):
                found = True
                yield Listed(below)
        if not found:
            raise DataError(
                f"{self._shown}: no image found ({', '.join(sorted(IMAGE_SUFFIXES))}), or nobody"
                " answers there: check the address"
            )

    def read(self, name: str) -> bytes:
        """Return the bytes of an image."""
        path = f"{self._base.rstrip('/')}/{name}" if self._base else name
        try:
            size = self._files.info(path)["size"] or 0
            if size > MOST_BYTES:
                raise DataError(f"{size / 1e6:.0f} MB: too large for an image (limit 200 MB)")
            data = bytes(self._files.cat_file(path))
        except DataError:
            raise
        except Exception as error:  # each kind of store fails in its own way
            raise DataError(f"cannot be read ({_said(error)})") from error
        if not data:
            raise DataError("empty file: 0 bytes")
        return data


def _opened(url: str, shown: str) -> tuple[Any, str]:
    """Return a file system of fsspec, and the path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise SetupError("fsspec is not installed: pip install 'edgeclip[train]'") from error
    try:
        files, base = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise SetupError(
            f"{shown}: {_said(error)}: for s3:// pip install 'edgeclip[s3]'"
        ) from error
    except Exception as error:  # each kind of store fails in its own way
        raise DataError(
            f"{shown} cannot be opened ({_said(error)}): check the address, or copy it again"
        ) from error
    return files, str(base)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())[:160]
    return text or type(error).__name__
