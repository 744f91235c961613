"""Where a Camtrap DP package's files lie: a folder, or a zip that is checked before it is read."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from edgeclip.contract.files import write_bytes
from edgeclip.errors import DataError
from edgeclip.labels.paths import IMAGE_SUFFIXES, PathFinder
from edgeclip.labels.text_tables import MOST_BYTES, read_source_bytes

DESCRIPTOR = "datapackage.json"
_MOST_MEMBERS = 1_000_000
_MOST_UNPACKED = 50_000_000_000  # of all members; a season of one project has about 20 GB
_MOST_RATIO = 200  # CSV packs to a tenth; a bomb of zeros to a thousandth


class Store(Protocol):
    """Where a package's files lie."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if there is none of that name."""

    def find(self, written: str) -> tuple[Path | None, str]:
        """Return an image file on disk, or None and why there is none."""


class FolderStore:
    """A package in a folder."""

    def __init__(self, root: Path, media: Path | None) -> None:
        self._root, self._finder = root, PathFinder(media or root)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if there is none of that name."""
        path = self._root / name
        return read_source_bytes(path, "a Camtrap DP table") if path.is_file() else None

    def find(self, written: str) -> tuple[Path | None, str]:
        """Return an image file on disk, or None and why there is none."""
        return self._finder.find_named(written)


class ZipStore:
    """A package in a zip; of its media only what is asked for is unpacked, beside the cache.

    Every member's name and size is checked before anything is read.
    """

    def __init__(self, path: Path, media: Path | None, unpacked: Path) -> None:
        """Open the zip.

        Args:
            path: The zip.
            media: Where media that are not inside lie; by default beside the zip.
            unpacked: Folder under which images are unpacked, in one of their own.

        Raises:
            DataError: No zip, or one that is not safe to open.
        """
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(f"{path}: no readable zip ({error}): download it again") from error
        _refuse_unsafe(members, path)
        self._members = {member.filename: member for member in members if not member.is_dir()}
        self._base = _base(self._members)
        self._finder = PathFinder(media or path.parent)
        stamp = path.stat()
        key = f"{path.resolve()} {stamp.st_size} {stamp.st_mtime_ns}"
        self._unpacked = unpacked / hashlib.sha256(key.encode()).hexdigest()[:16]

    def read(self, name: str) -> bytes | None:
        """Return a member's bytes, or None if there is none of that name."""
        member = self._members.get(self._base + name)
        if member is None:
            return None
        if member.file_size > MOST_BYTES:
            raise DataError(f"{self._path}: {name} is larger than 200 MB: is this Camtrap DP?")
        try:
            return self._zip.read(member)
        except (
            OSError,
            RuntimeError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise DataError(f"{self._path}: {name} is damaged ({error}): download again") from error

    def find(self, written: str) -> tuple[Path | None, str]:
        """Return an image on disk: one beside the zip, or one of its members, unpacked."""
        posix = written.strip().replace("\\", "/")
        member = self._members.get(self._base + posix)
        if member is None or PurePosixPath(posix).suffix.lower() not in IMAGE_SUFFIXES:
            return self._finder.find_named(written)
        target = self._unpacked / posix
        if not (target.is_file() and target.stat().st_size == member.file_size):
            try:
                content = self.read(posix)
            except DataError as error:
                return None, str(error)
            write_bytes(target, content or b"")
        return target, ""


def default_unpacked() -> Path:
    """Return where images of zips are unpacked: below XDG_CACHE_HOME, else in the home folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "edgeclip" / "media"


def is_inside(name: str) -> bool:
    """Say whether a name stays below the folder that it counts from."""
    posix = name.replace("\\", "/")
    path = PurePosixPath(posix)
    return not (
        path.is_absolute() or ".." in path.parts or ":" in posix or "\0" in posix or not posix
    )


def _refuse_unsafe(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse names that leave the folder, links, and sizes that no package has."""
    if len(members) > _MOST_MEMBERS or sum(m.file_size for m in members) > _MOST_UNPACKED:
        raise DataError(f"{path}: unpacks to more than 50 GB or a million files: not opened")
    for member in members:
        shown = member.filename[:80]
        if not is_inside(member.filename):
            raise DataError(f"{path}: member {shown!r} would leave its folder: not opened")
        if member.external_attr >> 16 & 0o170000 == 0o120000:
            raise DataError(f"{path}: member {shown!r} is a link: not opened")
        if member.file_size > _MOST_RATIO * max(member.compress_size, 1) + 1_000_000:
            raise DataError(f"{path}: member {shown!r} unpacks to far too much: not opened")


def _base(members: Mapping[str, object]) -> str:
    """Return the folder inside the zip that the package lies in, with its slash."""
    wanted = (DESCRIPTOR, "observations.csv")
    found = [name for name in members if PurePosixPath(name).name in wanted]
    nearest = min(found, key=lambda name: (name.count("/"), name), default="")
    return nearest[: nearest.rfind("/") + 1]
